-- Creates `counted_elsewhere`: the analyses that are not requested, because a retired model in the same place, or an
-- earlier prompt version, has them. It is empty for refinement: `refinable_palettes` decides what is refined again. A
-- prompt with a picture counts only answers to prompts with a picture, and one without only answers to those without.
-- Parameters: ask_again, stage, provider, model, prompt_version, with_image, predecessors (provider/model of each).
CREATE OR REPLACE TEMP TABLE counted_elsewhere AS
SELECT DISTINCT requests.seed, requests.analysis_index
FROM tag_requests AS requests
WHERE NOT $ask_again
  AND $stage = 'tagging'
  AND requests.stage = 'tagging'
  AND requests.state IN ('in_flight', 'succeeded')
  AND (
      (requests.provider = $provider AND requests.model = $model AND requests.prompt_version <> $prompt_version)
      OR requests.provider || '/' || requests.model IN (SELECT unnest($predecessors::VARCHAR[]))
  )
  AND (requests.prompt_version IN (SELECT version FROM prompt_versions WHERE with_image)) = $with_image
