-- What each refinement stood on. The view selects all columns of its table, so it is created again.

ALTER TABLE palette_tag_refined ADD COLUMN consensus_models INTEGER;
COMMENT ON COLUMN palette_tag_refined.consensus_models IS 'How many models the refined consensus was counted from; null for older refinements';
ALTER TABLE palette_tag_refined ADD COLUMN consensus_answers INTEGER;
COMMENT ON COLUMN palette_tag_refined.consensus_answers IS 'How many answers the refined consensus was counted from; null for older refinements';

CREATE OR REPLACE VIEW current_refinement AS
SELECT refined.*
FROM palette_tag_refined AS refined
LEFT JOIN prompt_versions AS versions ON versions.version = refined.prompt_version
WHERE refined.tags IS NOT NULL
  AND (
        refined.prompt_version IN (SELECT version FROM countable_prompt_versions)
        OR (
            versions.version IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM counted_prompt_versions JOIN prompt_versions AS chosen USING (version)
                WHERE chosen.stage = 'refinement'
            )
        )
    )
QUALIFY row_number() OVER (
    PARTITION BY refined.seed ORDER BY refined.created_at DESC, refined.model, refined.prompt_version
) = 1;
COMMENT ON VIEW current_refinement IS 'The newest usable refinement of each palette, among the versions that count';
COMMENT ON COLUMN current_refinement.seed IS 'The palette';
COMMENT ON COLUMN current_refinement.provider IS 'The provider';
COMMENT ON COLUMN current_refinement.model IS 'The refining model';
COMMENT ON COLUMN current_refinement.prompt_version IS 'The refinement prompt';
COMMENT ON COLUMN current_refinement.tags IS 'Best first; the four attributes are the measured values. Null if there is an error';
COMMENT ON COLUMN current_refinement.embed_text IS 'The text embedded for search; if there is an error, composed of the measured attributes and the consensus';
COMMENT ON COLUMN current_refinement.embed_text_recipe IS 'The version of the rules that compose embed_text';
COMMENT ON COLUMN current_refinement.error IS 'Why there are no tags, as code: explanation';
COMMENT ON COLUMN current_refinement.usage IS 'The tokens paid for, also if there is an error';
COMMENT ON COLUMN current_refinement.cost_usd IS 'The cost of this response, at the batch price of the day';
COMMENT ON COLUMN current_refinement.consensus_prompt_version IS 'The tagging prompt of the refined consensus';
COMMENT ON COLUMN current_refinement.consensus_digest IS 'The digest of the refined consensus';
COMMENT ON COLUMN current_refinement.batch_id IS 'The provider''s id of the batch';
COMMENT ON COLUMN current_refinement.custom_id IS 'The request that this response belongs to';
COMMENT ON COLUMN current_refinement.created_at IS 'When the response was collected';
COMMENT ON COLUMN current_refinement.convex_id IS 'Its document in Convex';
COMMENT ON COLUMN current_refinement.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN current_refinement.convex_fields IS 'Other fields of the Convex document, such as its embed text';
COMMENT ON COLUMN current_refinement.consensus_models IS 'How many models the refined consensus was counted from; null for older refinements';
COMMENT ON COLUMN current_refinement.consensus_answers IS 'How many answers the refined consensus was counted from; null for older refinements';
