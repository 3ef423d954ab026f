-- A released request no longer counts as failed. `chosen_requests` is a table of the connection.
UPDATE tag_requests AS requests SET state = 'released'
FROM chosen_requests AS chosen
WHERE requests.state = 'failed'
  AND requests.stage = chosen.stage
  AND requests.seed = chosen.seed
  AND requests.provider = chosen.provider
  AND requests.model = chosen.model
  AND requests.analysis_index = chosen.analysis_index
  AND requests.prompt_version = chosen.prompt_version
  AND requests.basis IS NOT DISTINCT FROM chosen.basis
