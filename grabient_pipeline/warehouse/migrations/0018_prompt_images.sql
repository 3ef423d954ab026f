-- Prompts with a picture attached. Their answers count for a palette only where a person has chosen them, or where no answer
-- to another prompt counts: else a trial with a few models would replace the consensus of the whole panel.
-- The views select all columns of their tables, so they are created again.

ALTER TABLE prompt_versions ADD COLUMN with_image BOOLEAN DEFAULT false;
COMMENT ON COLUMN prompt_versions.with_image IS 'Whether the picture of the palette is attached';

CREATE OR REPLACE VIEW countable_prompt_versions AS
SELECT versions.*
FROM prompt_versions AS versions
LEFT JOIN counted_prompt_versions AS chosen USING (version)
WHERE chosen.version IS NOT NULL
   OR versions.stage NOT IN (
        SELECT stage FROM prompt_versions JOIN counted_prompt_versions USING (version)
    );
COMMENT ON VIEW countable_prompt_versions IS 'The prompt versions whose responses count: those chosen, or all. One with pictures that was not chosen counts only for palettes for which no other does';
COMMENT ON COLUMN countable_prompt_versions.version IS 'The first 12 hex digits of the SHA-256 of everything that influences the response';
COMMENT ON COLUMN countable_prompt_versions.stage IS 'tagging or refinement';
COMMENT ON COLUMN countable_prompt_versions.content IS 'The prompt, the format of the colour data and the schema, as JSON';
COMMENT ON COLUMN countable_prompt_versions.created_at IS 'When it was first used';
COMMENT ON COLUMN countable_prompt_versions.message IS 'The message of the change, if any';
COMMENT ON COLUMN countable_prompt_versions.convex_id IS 'Its document in Convex, which computed its hashes differently';
COMMENT ON COLUMN countable_prompt_versions.convex_created_at IS 'When the Convex document was created';
COMMENT ON COLUMN countable_prompt_versions.with_image IS 'Whether the picture of the palette is attached';

CREATE OR REPLACE VIEW current_consensus AS
SELECT consensus.*
FROM palette_tag_consensus AS consensus
LEFT JOIN prompt_versions AS versions ON versions.version = consensus.prompt_version
LEFT JOIN counted_prompt_versions AS chosen ON chosen.version = consensus.prompt_version
WHERE consensus.prompt_version IN (SELECT version FROM countable_prompt_versions)
   OR (
        versions.version IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM counted_prompt_versions JOIN prompt_versions USING (version)
            WHERE prompt_versions.stage = 'tagging'
        )
    )
QUALIFY row_number() OVER (
    PARTITION BY consensus.seed
    ORDER BY
        coalesce(versions.with_image, false) AND chosen.version IS NULL,
        coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC,
        consensus.prompt_version
) = 1;
COMMENT ON VIEW current_consensus IS 'The consensus of each palette for the newest tagging prompt that counts';
COMMENT ON COLUMN current_consensus.seed IS 'The palette';
COMMENT ON COLUMN current_consensus.prompt_version IS 'The tagging prompt of the responses';
COMMENT ON COLUMN current_consensus.total_models IS 'Models with a usable response; each has one vote per tag, spread over its responses';
COMMENT ON COLUMN current_consensus.total_analyses IS 'Usable responses';
COMMENT ON COLUMN current_consensus.mood IS 'Each mood with its votes, its share of the models, the number of responses and the models that gave it';
COMMENT ON COLUMN current_consensus.style IS 'The same for each style';
COMMENT ON COLUMN current_consensus.harmony IS 'The same for each harmony';
COMMENT ON COLUMN current_consensus.temperature IS 'The same for each temperature; the first is the result';
COMMENT ON COLUMN current_consensus.contrast IS 'The same for each contrast; the first is the result';
COMMENT ON COLUMN current_consensus.brightness IS 'The same for each brightness; the first is the result';
COMMENT ON COLUMN current_consensus.saturation IS 'The same for each saturation; the first is the result';
COMMENT ON COLUMN current_consensus.seasonal IS 'The same for each season or holiday';
COMMENT ON COLUMN current_consensus.associations IS 'The same for each association';
COMMENT ON COLUMN current_consensus.digest IS 'The prompt version, a slash and a hash of the counts; a refinement with another digest is stale';
COMMENT ON COLUMN current_consensus.counted_at IS 'When these counts were first computed; computing the same counts again does not change it';
