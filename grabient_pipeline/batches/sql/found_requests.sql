-- What the rows of an adopted batch say that they are about, and the palette if it is imported. Rows that name another
-- batch, model, stage or prompt are none of ours. `staged` is a view of the connection.
-- Parameters: submission, pattern (of a custom id), model (its digest).
CREATE OR REPLACE TEMP TABLE found_requests AS
WITH said AS (
    SELECT
        custom_id,
        regexp_extract(
            custom_id,
            $pattern,
            ['submission', 'ledger', 'stage', 'analysis', 'palette_id', 'model', 'prompt', 'digest']
        ) AS it
    FROM (SELECT DISTINCT custom_id FROM staged WHERE starts_with(custom_id, $submission || '_'))
)
SELECT
    said.custom_id,
    said.it.palette_id AS palette_id,
    palettes.seed,
    batches.stage,
    batches.provider,
    batches.model,
    batches.prompt_version,
    said.it.analysis::INTEGER AS analysis_index,
    CASE
        -- Of a consensus that is not counted yet only the first digits are known; `complete_basis` adds the rest.
        WHEN batches.stage = 'refinement' THEN coalesce(
            (
                SELECT min(digest)
                FROM palette_tag_consensus AS consensus
                WHERE consensus.seed = palettes.seed AND contains(consensus.digest, '/' || said.it.digest)
            ),
            '/' || said.it.digest
        )
    END AS basis
FROM said
JOIN tag_batches AS batches ON batches.submission = $submission
LEFT JOIN palettes ON palettes.palette_id = said.it.palette_id
WHERE said.it.submission = $submission
  AND said.it.stage = batches.stage[1]
  AND said.it.model = $model
  AND starts_with(batches.prompt_version, said.it.prompt)
  AND said.custom_id NOT IN (SELECT custom_id FROM tag_requests WHERE submission = $submission)
