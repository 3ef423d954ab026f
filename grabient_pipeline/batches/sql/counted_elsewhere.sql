-- Creates `counted_elsewhere`: the analyses that need not be asked, because a model that had the place and has ended has
-- them, or an older prompt has. Answers about a picture count only for requests with a picture, and the others for the
-- others. Parameters: ask_again, stage, provider, model, prompt_version, with_image, predecessors (provider/model of each).
CREATE OR REPLACE TEMP TABLE counted_elsewhere AS
SELECT DISTINCT requests.seed, requests.analysis_index
FROM tag_requests AS requests
WHERE NOT $ask_again
  AND requests.stage = $stage
  AND requests.stage = 'tagging'
  AND requests.state IN ('in_flight', 'succeeded')
  AND (
      (requests.provider = $provider AND requests.model = $model AND requests.prompt_version <> $prompt_version)
      OR requests.provider || '/' || requests.model IN (SELECT unnest($predecessors::VARCHAR[]))
  )
  AND (requests.prompt_version IN (SELECT version FROM prompt_versions WHERE with_image)) = $with_image
