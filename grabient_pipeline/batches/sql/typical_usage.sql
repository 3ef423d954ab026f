-- The average tokens of this model's responses to this prompt, of the input and of the output, and the number of responses.
SELECT avg(usage.input_tokens), avg(usage.output_tokens), count(*)
FROM query_table($answers)
WHERE provider = $provider AND model = $model AND prompt_version = $prompt_version
  AND usage.output_tokens IS NOT NULL
