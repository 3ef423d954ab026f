-- How long this model's answers to this prompt have been: tokens on average, and how many answers that is from.
SELECT avg(usage.output_tokens), count(*)
FROM query_table($answers)
WHERE provider = $provider AND model = $model AND prompt_version = $prompt_version
  AND usage.output_tokens IS NOT NULL
