-- Consensus, refinement, embeddings. The ledger of stage one carries stage two as well.

-- A refinement is asked on the ground of a consensus: the same palette may be asked again when that has changed.
ALTER TABLE tag_requests ADD COLUMN basis VARCHAR;
COMMENT ON COLUMN tag_requests.basis IS 'The digest of the consensus that a refinement is asked about; null when tagging';

CREATE TABLE palette_tag_consensus (
    seed           VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    total_models   INTEGER NOT NULL,
    total_analyses INTEGER NOT NULL,
    mood           STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    style          STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    harmony        STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    temperature    STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    contrast       STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    brightness     STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    saturation     STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    seasonal       STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    associations   STRUCT(tag VARCHAR, votes DOUBLE, share DOUBLE, answers INTEGER, models VARCHAR[])[] NOT NULL,
    digest         VARCHAR NOT NULL,
    counted_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, prompt_version)
);
COMMENT ON TABLE palette_tag_consensus IS 'What the models agree on, a palette and prompt version a row; every list has the most voted first, ties by name';
COMMENT ON COLUMN palette_tag_consensus.seed IS 'The palette';
COMMENT ON COLUMN palette_tag_consensus.prompt_version IS 'The tagging prompt whose answers are counted';
COMMENT ON COLUMN palette_tag_consensus.total_models IS 'Models with a usable answer; each has one vote a tag, spread over its answers';
COMMENT ON COLUMN palette_tag_consensus.total_analyses IS 'Usable answers';
COMMENT ON COLUMN palette_tag_consensus.mood IS 'Each mood with its votes, its share of the models, its answers and the models that said it';
COMMENT ON COLUMN palette_tag_consensus.style IS 'Each style, likewise';
COMMENT ON COLUMN palette_tag_consensus.harmony IS 'Each harmony, likewise';
COMMENT ON COLUMN palette_tag_consensus.temperature IS 'Each temperature, likewise; the first has won';
COMMENT ON COLUMN palette_tag_consensus.contrast IS 'Each contrast, likewise; the first has won';
COMMENT ON COLUMN palette_tag_consensus.brightness IS 'Each brightness, likewise; the first has won';
COMMENT ON COLUMN palette_tag_consensus.saturation IS 'Each saturation, likewise; the first has won';
COMMENT ON COLUMN palette_tag_consensus.seasonal IS 'Each season or holiday, likewise';
COMMENT ON COLUMN palette_tag_consensus.associations IS 'Each association, likewise';
COMMENT ON COLUMN palette_tag_consensus.digest IS 'The prompt version, a slash and a hash of the counts: a refinement of another digest is stale';
COMMENT ON COLUMN palette_tag_consensus.counted_at IS 'When these counts came about; counting the same again changes nothing';

CREATE TABLE palette_tag_refined (
    seed                     VARCHAR NOT NULL,
    provider                 VARCHAR NOT NULL,
    model                    VARCHAR NOT NULL,
    prompt_version           VARCHAR NOT NULL,
    tags                     STRUCT(
        mood VARCHAR[], style VARCHAR[], harmony VARCHAR[], temperature VARCHAR, contrast VARCHAR,
        brightness VARCHAR, saturation VARCHAR, seasonal VARCHAR[], associations VARCHAR[]
    ),
    embed_text               VARCHAR NOT NULL,
    embed_text_recipe        INTEGER NOT NULL,
    error                    VARCHAR,
    usage                    STRUCT(input_tokens BIGINT, output_tokens BIGINT),
    cost_usd                 DOUBLE,
    consensus_prompt_version VARCHAR,
    consensus_digest         VARCHAR,
    batch_id                 VARCHAR,
    custom_id                VARCHAR NOT NULL,
    created_at               TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, model, prompt_version),
    CHECK ((tags IS NULL) <> (error IS NULL))
);
COMMENT ON TABLE palette_tag_refined IS 'A refined palette: the counted tags, condensed by a strong model';
COMMENT ON COLUMN palette_tag_refined.seed IS 'The palette';
COMMENT ON COLUMN palette_tag_refined.provider IS 'Who was asked';
COMMENT ON COLUMN palette_tag_refined.model IS 'The refining model';
COMMENT ON COLUMN palette_tag_refined.prompt_version IS 'The refinement prompt that was used';
COMMENT ON COLUMN palette_tag_refined.tags IS 'Best first; the four attributes are the measured ones. Null where there is an error';
COMMENT ON COLUMN palette_tag_refined.embed_text IS 'What is embedded for search; where there is an error, of what is measured and counted';
COMMENT ON COLUMN palette_tag_refined.embed_text_recipe IS 'The version of the way in which embed_text is composed';
COMMENT ON COLUMN palette_tag_refined.error IS 'Why there are no tags: a code, a colon, an explanation';
COMMENT ON COLUMN palette_tag_refined.usage IS 'The tokens that were paid for, also for an error';
COMMENT ON COLUMN palette_tag_refined.cost_usd IS 'What this answer cost, at the batch price of its day';
COMMENT ON COLUMN palette_tag_refined.consensus_prompt_version IS 'The tagging prompt whose consensus was refined';
COMMENT ON COLUMN palette_tag_refined.consensus_digest IS 'The state of the consensus that was refined';
COMMENT ON COLUMN palette_tag_refined.batch_id IS 'The providers name for the batch';
COMMENT ON COLUMN palette_tag_refined.custom_id IS 'The request whose answer this is';
COMMENT ON COLUMN palette_tag_refined.created_at IS 'When the answer was taken in';

CREATE TABLE palette_embeddings (
    seed            VARCHAR NOT NULL,
    embedding_model VARCHAR NOT NULL,
    dimension       INTEGER NOT NULL CHECK (dimension > 0),
    embedding       FLOAT[] NOT NULL,
    embed_text      VARCHAR NOT NULL,
    embed_text_hash VARCHAR NOT NULL,
    text_source     VARCHAR NOT NULL CHECK (text_source IN ('refined', 'consensus', 'measured')),
    cost_usd        DOUBLE NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, embedding_model),
    CHECK (len(embedding) = dimension)
);
COMMENT ON TABLE palette_embeddings IS 'A palette as a vector, for search';
COMMENT ON COLUMN palette_embeddings.seed IS 'The palette';
COMMENT ON COLUMN palette_embeddings.embedding_model IS 'Who made the vector; a query is embedded by the same';
COMMENT ON COLUMN palette_embeddings.dimension IS 'The length of the vector';
COMMENT ON COLUMN palette_embeddings.embedding IS 'The vector, of unit length';
COMMENT ON COLUMN palette_embeddings.embed_text IS 'The text that was embedded';
COMMENT ON COLUMN palette_embeddings.embed_text_hash IS 'The SHA-256 of the text: only new or changed text is embedded';
COMMENT ON COLUMN palette_embeddings.text_source IS 'Whether the text has refined tags, counted ones, or only what is measured';
COMMENT ON COLUMN palette_embeddings.cost_usd IS 'What embedding this text cost; 0 for the local model';
COMMENT ON COLUMN palette_embeddings.created_at IS 'When it was embedded';

-- The consensus a tag a row, for people who would rather filter and group than unnest.
CREATE VIEW consensus_tags AS
SELECT
    seed,
    prompt_version,
    field,
    counted.place::INTEGER AS place,
    counted.entry.tag AS tag,
    counted.entry.votes AS votes,
    counted.entry.share AS share,
    counted.entry.answers AS answers,
    counted.entry.models AS models
FROM (
    UNPIVOT (SELECT * EXCLUDE (total_models, total_analyses, digest, counted_at) FROM palette_tag_consensus)
    ON COLUMNS (* EXCLUDE (seed, prompt_version)) INTO NAME field VALUE entries
),
LATERAL (SELECT unnest(entries) AS entry, generate_subscripts(entries, 1) AS place) AS counted;
COMMENT ON VIEW consensus_tags IS 'The consensus, a tag a row; place 1 is the most voted';

-- The consensus that counts for each palette: that of the newest tagging prompt with a usable answer.
CREATE VIEW current_consensus AS
SELECT consensus.*
FROM palette_tag_consensus AS consensus
LEFT JOIN prompt_versions AS versions ON versions.version = consensus.prompt_version
QUALIFY row_number() OVER (
    PARTITION BY consensus.seed
    ORDER BY coalesce(versions.created_at, '1970-01-01 00:00:00+00'::TIMESTAMPTZ) DESC, consensus.prompt_version
) = 1;
COMMENT ON VIEW current_consensus IS 'Of each palette the consensus under the newest tagging prompt';

-- The refinement that counts for each palette: the newest that can be used.
CREATE VIEW current_refinement AS
SELECT *
FROM palette_tag_refined
WHERE tags IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY seed ORDER BY created_at DESC, model, prompt_version) = 1;
COMMENT ON VIEW current_refinement IS 'Of each palette the newest refinement that can be used';

-- All that a palette can be found by. Until it is refined, the most voted tags stand in, and before that only what is
-- measured.
CREATE VIEW searchable_palettes AS
SELECT
    palettes.seed,
    palettes.palette_id,
    palettes.name,
    palettes.image_url,
    palettes.hex,
    palettes.temperature,
    palettes.contrast,
    palettes.brightness,
    palettes.saturation,
    palettes.harmony,
    palettes.colour_names,
    CASE
        WHEN refined.seed IS NOT NULL THEN 'refined'
        WHEN consensus.seed IS NOT NULL THEN 'consensus'
        ELSE 'measured'
    END AS text_source,
    CASE
        WHEN refined.seed IS NOT NULL THEN refined.tags.mood
        ELSE coalesce(list_transform(consensus.mood[:6], lambda entry: entry.tag), [])
    END AS mood,
    CASE
        WHEN refined.seed IS NOT NULL THEN refined.tags.style
        ELSE coalesce(list_transform(consensus.style[:4], lambda entry: entry.tag), [])
    END AS style,
    -- A season that only some models see would be taken for a fact.
    CASE
        WHEN refined.seed IS NOT NULL THEN refined.tags.seasonal
        ELSE coalesce(
            list_transform(
                list_filter(consensus.seasonal[:3], lambda entry: entry.share >= 0.25), lambda entry: entry.tag
            ),
            []
        )
    END AS seasonal,
    CASE
        WHEN refined.seed IS NOT NULL THEN refined.tags.associations
        ELSE coalesce(list_transform(consensus.associations[:15], lambda entry: entry.tag), [])
    END AS associations
FROM palettes
LEFT JOIN current_refinement AS refined USING (seed)
LEFT JOIN current_consensus AS consensus USING (seed);
COMMENT ON VIEW searchable_palettes IS 'All that a palette can be found by: what is measured, and its refined or counted tags';

-- The tags of every usable answer, a tag a row.
CREATE VIEW answer_tags AS
SELECT seed, provider, model, analysis_index, prompt_version, custom_id, batch_id, cost_usd, field, tag
FROM (
    SELECT *, 'mood' AS field, unnest(tags.mood) AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'style' AS field, unnest(tags.style) AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'harmony' AS field, unnest(tags.harmony) AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'temperature' AS field, tags.temperature AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'contrast' AS field, tags.contrast AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'brightness' AS field, tags.brightness AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'saturation' AS field, tags.saturation AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'seasonal' AS field, unnest(tags.seasonal) AS tag FROM palette_tags
    UNION ALL BY NAME SELECT *, 'associations' AS field, unnest(tags.associations) AS tag FROM palette_tags
)
WHERE tag IS NOT NULL;
COMMENT ON VIEW answer_tags IS 'What each usable answer said, a tag a row';

-- Where a final tag comes from. A tag that no answer said is the refining model's own: its answer columns are null.
CREATE VIEW tag_provenance AS
WITH final AS (
    SELECT *, 'mood' AS field, unnest(tags.mood) AS tag FROM current_refinement
    UNION ALL BY NAME SELECT *, 'style' AS field, unnest(tags.style) AS tag FROM current_refinement
    UNION ALL BY NAME SELECT *, 'harmony' AS field, unnest(tags.harmony) AS tag FROM current_refinement
    UNION ALL BY NAME SELECT *, 'seasonal' AS field, unnest(tags.seasonal) AS tag FROM current_refinement
    UNION ALL BY NAME SELECT *, 'associations' AS field, unnest(tags.associations) AS tag FROM current_refinement
)
SELECT
    final.seed,
    final.field,
    final.tag,
    final.model AS refining_model,
    final.prompt_version AS refinement_prompt_version,
    final.batch_id AS refinement_batch_id,
    final.custom_id AS refinement_custom_id,
    final.cost_usd AS refinement_cost_usd,
    answers.provider,
    answers.model,
    answers.analysis_index,
    answers.custom_id,
    answers.batch_id,
    answers.cost_usd,
    answers.prompt_version
FROM final
LEFT JOIN answer_tags AS answers
    ON answers.seed = final.seed
   AND answers.field = final.field
   AND answers.tag = final.tag
   AND answers.prompt_version = final.consensus_prompt_version;
COMMENT ON VIEW tag_provenance IS 'Every final tag with each answer that said it: model, batch, prompt version, cost of the answer';
