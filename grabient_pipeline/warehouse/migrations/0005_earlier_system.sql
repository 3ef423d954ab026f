-- What came from the earlier system on Convex: where each row comes from, what waits for an analysis index, what was set
-- aside and why, and how far an import has come. And which prompt versions count.

ALTER TABLE config ADD COLUMN convex_id VARCHAR;
COMMENT ON COLUMN config.convex_id IS 'The document of the earlier system that the settings were taken from';

ALTER TABLE palettes ADD COLUMN convex_id VARCHAR;
ALTER TABLE palettes ADD COLUMN convex_created_at TIMESTAMPTZ;
COMMENT ON COLUMN palettes.convex_id IS 'Its first document in the earlier system; null for a palette that was not there';
COMMENT ON COLUMN palettes.convex_created_at IS 'When that document was made';

ALTER TABLE palette_spellings ADD COLUMN convex_id VARCHAR;
ALTER TABLE palette_spellings ADD COLUMN convex_created_at TIMESTAMPTZ;
COMMENT ON COLUMN palette_spellings.convex_id IS 'The document of the earlier system that spelt it so';
COMMENT ON COLUMN palette_spellings.convex_created_at IS 'When that document was made';

ALTER TABLE prompt_versions ADD COLUMN message VARCHAR;
ALTER TABLE prompt_versions ADD COLUMN convex_id VARCHAR;
ALTER TABLE prompt_versions ADD COLUMN convex_created_at TIMESTAMPTZ;
COMMENT ON COLUMN prompt_versions.message IS 'What was said about the change when it was made, if anything';
COMMENT ON COLUMN prompt_versions.convex_id IS 'Its document in the earlier system, whose hashes were made in another way';
COMMENT ON COLUMN prompt_versions.convex_created_at IS 'When that document was made';

ALTER TABLE tag_batches ADD COLUMN convex_id VARCHAR;
ALTER TABLE tag_batches ADD COLUMN convex_created_at TIMESTAMPTZ;
ALTER TABLE tag_batches ADD COLUMN convex_fields JSON;
COMMENT ON COLUMN tag_batches.convex_id IS 'Its document in the earlier system';
COMMENT ON COLUMN tag_batches.convex_created_at IS 'When that document was made';
COMMENT ON COLUMN tag_batches.convex_fields IS 'What else that document says';

ALTER TABLE palette_tags ADD COLUMN run_number INTEGER;
ALTER TABLE palette_tags ADD COLUMN convex_id VARCHAR;
ALTER TABLE palette_tags ADD COLUMN convex_created_at TIMESTAMPTZ;
ALTER TABLE palette_tags ADD COLUMN convex_fields JSON;
COMMENT ON COLUMN palette_tags.run_number IS 'From 1: the legacy runNumber, until it is cleared';
COMMENT ON COLUMN palette_tags.convex_id IS 'Its document in the earlier system';
COMMENT ON COLUMN palette_tags.convex_created_at IS 'When that document was made';
COMMENT ON COLUMN palette_tags.convex_fields IS 'What else that document says';

ALTER TABLE palette_tag_refined ADD COLUMN convex_id VARCHAR;
ALTER TABLE palette_tag_refined ADD COLUMN convex_created_at TIMESTAMPTZ;
ALTER TABLE palette_tag_refined ADD COLUMN convex_fields JSON;
COMMENT ON COLUMN palette_tag_refined.convex_id IS 'Its document in the earlier system';
COMMENT ON COLUMN palette_tag_refined.convex_created_at IS 'When that document was made';
COMMENT ON COLUMN palette_tag_refined.convex_fields IS 'What else that document says, such as the embed text of then';

CREATE TABLE unnumbered_palette_tags (
    custom_id         VARCHAR PRIMARY KEY,
    submission        VARCHAR NOT NULL,
    seed              VARCHAR NOT NULL,
    provider          VARCHAR NOT NULL,
    model             VARCHAR NOT NULL,
    run_number        INTEGER CHECK (run_number >= 1),
    prompt_version    VARCHAR NOT NULL,
    outcome           VARCHAR NOT NULL,
    text              VARCHAR,
    error             VARCHAR,
    input_tokens      BIGINT,
    output_tokens     BIGINT,
    reason            VARCHAR,
    tags              VARCHAR,
    parser_version    INTEGER NOT NULL,
    line_number       BIGINT NOT NULL,
    convex_id         VARCHAR NOT NULL,
    convex_created_at TIMESTAMPTZ,
    convex_fields     VARCHAR
);
COMMENT ON TABLE unnumbered_palette_tags IS 'Imported answers that have no analysis index yet: grabient migrate run-number gives them one';
COMMENT ON COLUMN unnumbered_palette_tags.custom_id IS 'The request that it will be the answer of';
COMMENT ON COLUMN unnumbered_palette_tags.submission IS 'The batch that it will belong to';
COMMENT ON COLUMN unnumbered_palette_tags.seed IS 'The palette, as the document spells it';
COMMENT ON COLUMN unnumbered_palette_tags.provider IS 'Who was asked';
COMMENT ON COLUMN unnumbered_palette_tags.model IS 'The models id at the provider';
COMMENT ON COLUMN unnumbered_palette_tags.run_number IS 'From 1: the legacy runNumber; null where the document has none either';
COMMENT ON COLUMN unnumbered_palette_tags.prompt_version IS 'The prompt that was used';
COMMENT ON COLUMN unnumbered_palette_tags.outcome IS 'succeeded or errored';
COMMENT ON COLUMN unnumbered_palette_tags.text IS 'The tags as they stand in the document, as JSON';
COMMENT ON COLUMN unnumbered_palette_tags.error IS 'The error that stands in the document';
COMMENT ON COLUMN unnumbered_palette_tags.input_tokens IS 'What was paid for';
COMMENT ON COLUMN unnumbered_palette_tags.output_tokens IS 'What was paid for';
COMMENT ON COLUMN unnumbered_palette_tags.reason IS 'Why the tags cannot be used; null where they can';
COMMENT ON COLUMN unnumbered_palette_tags.tags IS 'What the parser made of the tags, as JSON';
COMMENT ON COLUMN unnumbered_palette_tags.parser_version IS 'Which parser';
COMMENT ON COLUMN unnumbered_palette_tags.line_number IS 'Its line in the export; the first of two counts';
COMMENT ON COLUMN unnumbered_palette_tags.convex_id IS 'Its document in the earlier system';
COMMENT ON COLUMN unnumbered_palette_tags.convex_created_at IS 'When that document was made';
COMMENT ON COLUMN unnumbered_palette_tags.convex_fields IS 'What else that document says, as JSON';

CREATE TABLE convex_set_aside (
    table_name   VARCHAR NOT NULL,
    document_key VARCHAR NOT NULL,
    line_number  BIGINT NOT NULL,
    kind         VARCHAR NOT NULL CHECK (kind IN ('unreadable', 'invalid', 'undecided', 'conflict')),
    reason       VARCHAR NOT NULL,
    document     VARCHAR NOT NULL,
    set_aside_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (table_name, document_key)
);
COMMENT ON TABLE convex_set_aside IS 'What an import did not take, whole and with the reason; another import takes what has become possible';
COMMENT ON COLUMN convex_set_aside.table_name IS 'The table of the export';
COMMENT ON COLUMN convex_set_aside.document_key IS 'The id of the document, or a hash of the line if it has none';
COMMENT ON COLUMN convex_set_aside.line_number IS 'Its line in the export, from 1';
COMMENT ON COLUMN convex_set_aside.kind IS 'unreadable, invalid, undecided or conflict';
COMMENT ON COLUMN convex_set_aside.reason IS 'Why it was not taken';
COMMENT ON COLUMN convex_set_aside.document IS 'The line as it stands in the export';
COMMENT ON COLUMN convex_set_aside.set_aside_at IS 'When';

CREATE TABLE convex_imports (
    fingerprint VARCHAR NOT NULL,
    table_name  VARCHAR NOT NULL,
    source      VARCHAR NOT NULL,
    lines_done  BIGINT NOT NULL,
    finished    BOOLEAN NOT NULL,
    counts      JSON NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (fingerprint, table_name)
);
COMMENT ON TABLE convex_imports IS 'How far each import of an export has come, a table a row: a killed one goes on from here';
COMMENT ON COLUMN convex_imports.fingerprint IS 'A hash of what is in the export';
COMMENT ON COLUMN convex_imports.table_name IS 'The table of the export';
COMMENT ON COLUMN convex_imports.source IS 'Where the export was';
COMMENT ON COLUMN convex_imports.lines_done IS 'So many lines of the table have been dealt with';
COMMENT ON COLUMN convex_imports.finished IS 'Whether that is all of them';
COMMENT ON COLUMN convex_imports.counts IS 'What the report says of these lines';
COMMENT ON COLUMN convex_imports.updated_at IS 'When';

CREATE TABLE counted_prompt_versions (
    version   VARCHAR PRIMARY KEY,
    chosen_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE counted_prompt_versions IS 'The prompt versions that were chosen to count; of a stage of which none was chosen, all do';
COMMENT ON COLUMN counted_prompt_versions.version IS 'A version of prompt_versions';
COMMENT ON COLUMN counted_prompt_versions.chosen_at IS 'When it was chosen';

CREATE VIEW countable_prompt_versions AS
SELECT versions.*
FROM prompt_versions AS versions
LEFT JOIN counted_prompt_versions AS chosen USING (version)
WHERE chosen.version IS NOT NULL
   OR versions.stage NOT IN (
        SELECT stage FROM prompt_versions JOIN counted_prompt_versions USING (version)
    );
COMMENT ON VIEW countable_prompt_versions IS 'The prompt versions whose answers count: those chosen, or all';

-- As before, but of the versions that count. One that is not registered counts where none was chosen.
CREATE OR REPLACE VIEW current_consensus AS
SELECT consensus.*
FROM palette_tag_consensus AS consensus
LEFT JOIN prompt_versions AS versions ON versions.version = consensus.prompt_version
WHERE consensus.prompt_version IN (SELECT version FROM countable_prompt_versions)
   OR (
        versions.version IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM counted_prompt_versions JOIN prompt_versions AS chosen USING (version)
            WHERE chosen.stage = 'tagging'
        )
    )
QUALIFY row_number() OVER (
    PARTITION BY consensus.seed
    ORDER BY coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC, consensus.prompt_version
) = 1;
COMMENT ON VIEW current_consensus IS 'Of each palette the consensus under the newest tagging prompt that counts';

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
COMMENT ON VIEW current_refinement IS 'Of each palette the newest refinement that can be used, of the versions that count';
