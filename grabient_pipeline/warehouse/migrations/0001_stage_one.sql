-- Palettes, the batch ledger of both stages, and what came of it.
-- Text with CHECK instead of ENUM, no foreign keys, hashes for ids: what a later move to a served DuckDB needs.

CREATE TABLE config (
    id                 INTEGER PRIMARY KEY CHECK (id = 1),
    tag_analysis_count INTEGER NOT NULL CHECK (tag_analysis_count BETWEEN 1 AND 20),
    updated_at         TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE config IS 'The settings; the only row has id 1';
COMMENT ON COLUMN config.id IS 'Always 1';
COMMENT ON COLUMN config.tag_analysis_count IS 'How often each model is asked to describe each palette';
COMMENT ON COLUMN config.updated_at IS 'When a setting was last changed';

CREATE TABLE palettes (
    seed           VARCHAR PRIMARY KEY,
    palette_id     VARCHAR NOT NULL UNIQUE CHECK (regexp_full_match(palette_id, '[a-z0-9]{16}')),
    canonical_seed VARCHAR NOT NULL,
    name           VARCHAR,
    image_url      VARCHAR NOT NULL,
    hex            VARCHAR[] NOT NULL CHECK (len(hex) = 11),
    temperature    VARCHAR NOT NULL,
    contrast       VARCHAR NOT NULL,
    brightness     VARCHAR NOT NULL,
    saturation     VARCHAR NOT NULL,
    harmony        VARCHAR[] NOT NULL,
    colour_names   VARCHAR[] NOT NULL,
    source         VARCHAR NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE palettes IS 'One row a palette';
COMMENT ON COLUMN palettes.seed IS 'As imported first; the key everywhere';
COMMENT ON COLUMN palettes.palette_id IS 'From the canonical form: the same for every spelling of a palette';
COMMENT ON COLUMN palettes.canonical_seed IS 'The global modifiers applied, written in the aligned encoding';
COMMENT ON COLUMN palettes.name IS 'The name that came with it, if any';
COMMENT ON COLUMN palettes.image_url IS 'Its picture: an address, or a path below the data directory';
COMMENT ON COLUMN palettes.hex IS 'Eleven colours from t = 0 to t = 1';
COMMENT ON COLUMN palettes.temperature IS 'Measured from the colours';
COMMENT ON COLUMN palettes.contrast IS 'Measured from the colours';
COMMENT ON COLUMN palettes.brightness IS 'Measured from the colours';
COMMENT ON COLUMN palettes.saturation IS 'Measured from the colours';
COMMENT ON COLUMN palettes.harmony IS 'Computed from the hues';
COMMENT ON COLUMN palettes.colour_names IS 'At most four, in the order of the gradient';
COMMENT ON COLUMN palettes.source IS 'The file or service that it came from';
COMMENT ON COLUMN palettes.created_at IS 'When it was imported; palettes are asked about in this order';

CREATE TABLE palette_spellings (
    seed       VARCHAR PRIMARY KEY,
    palette_id VARCHAR NOT NULL,
    source     VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE palette_spellings IS 'Every seed string under which a palette was imported';
COMMENT ON COLUMN palette_spellings.seed IS 'As it was spelt';
COMMENT ON COLUMN palette_spellings.palette_id IS 'The palette that it spells';
COMMENT ON COLUMN palette_spellings.source IS 'The file or service that it came from';
COMMENT ON COLUMN palette_spellings.created_at IS 'When it was first seen';

CREATE TABLE prompt_versions (
    version    VARCHAR PRIMARY KEY,
    stage      VARCHAR NOT NULL CHECK (stage IN ('tagging', 'refinement')),
    content    VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE prompt_versions IS 'The full content of every prompt that was ever sent';
COMMENT ON COLUMN prompt_versions.version IS 'The first 12 hex digits of the SHA-256 of what shapes the answer';
COMMENT ON COLUMN prompt_versions.stage IS 'tagging or refinement';
COMMENT ON COLUMN prompt_versions.content IS 'The prompt, the format of the colour data and the schema, as JSON';
COMMENT ON COLUMN prompt_versions.created_at IS 'When it was first used';

CREATE TABLE tag_batches (
    submission              VARCHAR PRIMARY KEY,
    stage                   VARCHAR NOT NULL CHECK (stage IN ('tagging', 'refinement')),
    provider                VARCHAR NOT NULL,
    model                   VARCHAR NOT NULL,
    endpoint                VARCHAR NOT NULL,
    batch_id                VARCHAR,
    status                  VARCHAR NOT NULL CHECK (
        status IN ('reserved', 'submitted', 'completed', 'expired', 'cancelled', 'failed', 'released')
    ),
    provider_status         VARCHAR,
    request_count           BIGINT NOT NULL,
    completed_count         BIGINT,
    failed_count            BIGINT,
    prompt_version          VARCHAR NOT NULL,
    parameters              JSON NOT NULL,
    input_usd_per_million   DOUBLE NOT NULL,
    output_usd_per_million  DOUBLE NOT NULL,
    estimated_input_tokens  BIGINT NOT NULL,
    estimated_output_tokens BIGINT NOT NULL,
    estimated_cost_usd      DOUBLE NOT NULL,
    cost_usd                DOUBLE,
    created_at              TIMESTAMPTZ NOT NULL,
    submitted_at            TIMESTAMPTZ,
    polled_at               TIMESTAMPTZ,
    completed_at            TIMESTAMPTZ,
    collected_at            TIMESTAMPTZ,
    error                   VARCHAR,
    UNIQUE (provider, batch_id)
);
COMMENT ON TABLE tag_batches IS 'The ledger: one row a batch at a provider, of either stage';
COMMENT ON COLUMN tag_batches.submission IS 'Our token; it travels with the batch, so that the batch can be found again';
COMMENT ON COLUMN tag_batches.stage IS 'tagging or refinement';
COMMENT ON COLUMN tag_batches.provider IS 'anthropic, openai, groq or google';
COMMENT ON COLUMN tag_batches.model IS 'The models id at the provider';
COMMENT ON COLUMN tag_batches.endpoint IS 'The host that it was sent to';
COMMENT ON COLUMN tag_batches.batch_id IS 'The provider''s name for it; null until the provider answered';
COMMENT ON COLUMN tag_batches.status IS 'reserved, submitted, completed, expired, cancelled, failed or released';
COMMENT ON COLUMN tag_batches.provider_status IS 'The provider''s own word, as last polled';
COMMENT ON COLUMN tag_batches.request_count IS 'How many requests it carries';
COMMENT ON COLUMN tag_batches.completed_count IS 'How many the provider answered';
COMMENT ON COLUMN tag_batches.failed_count IS 'How many came to nothing';
COMMENT ON COLUMN tag_batches.prompt_version IS 'The prompt that all its requests use';
COMMENT ON COLUMN tag_batches.parameters IS 'What differs from model to model in the request';
COMMENT ON COLUMN tag_batches.input_usd_per_million IS 'The batch price on the day of the reservation';
COMMENT ON COLUMN tag_batches.output_usd_per_million IS 'The batch price on the day of the reservation';
COMMENT ON COLUMN tag_batches.estimated_input_tokens IS 'Before it was sent';
COMMENT ON COLUMN tag_batches.estimated_output_tokens IS 'Before it was sent';
COMMENT ON COLUMN tag_batches.estimated_cost_usd IS 'Counts against the cost cap until the batch is collected';
COMMENT ON COLUMN tag_batches.cost_usd IS 'From the tokens that came back; null until collected';
COMMENT ON COLUMN tag_batches.created_at IS 'When it was reserved';
COMMENT ON COLUMN tag_batches.submitted_at IS 'When the provider had it';
COMMENT ON COLUMN tag_batches.polled_at IS 'When the provider was last asked about it';
COMMENT ON COLUMN tag_batches.completed_at IS 'When it ended at the provider';
COMMENT ON COLUMN tag_batches.collected_at IS 'When its results were taken in; null until then';
COMMENT ON COLUMN tag_batches.error IS 'What the provider said was wrong, or why it was released';

CREATE TABLE tag_requests (
    custom_id      VARCHAR PRIMARY KEY,
    submission     VARCHAR NOT NULL,
    stage          VARCHAR NOT NULL CHECK (stage IN ('tagging', 'refinement')),
    seed           VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    analysis_index INTEGER NOT NULL CHECK (analysis_index >= 0),
    prompt_version VARCHAR NOT NULL,
    attempt        INTEGER NOT NULL CHECK (attempt >= 1),
    state          VARCHAR NOT NULL CHECK (state IN ('in_flight', 'succeeded', 'failed', 'released'))
);
COMMENT ON TABLE tag_requests IS 'One row a request of a batch';
COMMENT ON COLUMN tag_requests.custom_id IS 'The submission, an underscore and the row';
COMMENT ON COLUMN tag_requests.submission IS 'The batch that carries it';
COMMENT ON COLUMN tag_requests.stage IS 'tagging or refinement';
COMMENT ON COLUMN tag_requests.seed IS 'The palette that is asked about';
COMMENT ON COLUMN tag_requests.provider IS 'The batchs';
COMMENT ON COLUMN tag_requests.model IS 'The batchs';
COMMENT ON COLUMN tag_requests.analysis_index IS 'From 0: which of the several descriptions this is';
COMMENT ON COLUMN tag_requests.prompt_version IS 'Fixed when it was reserved';
COMMENT ON COLUMN tag_requests.attempt IS 'From 1: how often the same has been asked';
COMMENT ON COLUMN tag_requests.state IS 'in_flight, succeeded, failed, or released to be asked again';

-- The rule that makes paying twice impossible, whoever asks, from whatever process: a request that is in flight or
-- has succeeded holds its claim, and there is one claim a request. A table of its own because DuckDB rewrites
-- the whole row, text and all indexes, when an indexed column changes (a million settled: 60 s against 1 s).
CREATE TABLE request_claims (
    claim     UHUGEINT PRIMARY KEY,
    custom_id VARCHAR NOT NULL
);
COMMENT ON TABLE request_claims IS 'One row a request that is in flight or has succeeded: the rule against paying twice';
COMMENT ON COLUMN request_claims.claim IS 'A hash of stage, seed, provider, model, analysis index and prompt version';
COMMENT ON COLUMN request_claims.custom_id IS 'The request that holds the claim';

CREATE TABLE tag_responses (
    custom_id     VARCHAR PRIMARY KEY,
    submission    VARCHAR NOT NULL,
    outcome       VARCHAR NOT NULL CHECK (
        outcome IN ('succeeded', 'errored', 'expired', 'cancelled', 'missing')
    ),
    text          VARCHAR,
    finish_reason VARCHAR,
    error         VARCHAR,
    usage         STRUCT(input_tokens BIGINT, output_tokens BIGINT),
    received_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE tag_responses IS 'What came back for a request, untouched';
COMMENT ON COLUMN tag_responses.custom_id IS 'The request that it answers';
COMMENT ON COLUMN tag_responses.submission IS 'The batch that carried it';
COMMENT ON COLUMN tag_responses.outcome IS 'succeeded, errored, expired, cancelled, or missing if it never came back';
COMMENT ON COLUMN tag_responses.text IS 'What the model wrote, as it came';
COMMENT ON COLUMN tag_responses.finish_reason IS 'Why the model stopped, in the providers word';
COMMENT ON COLUMN tag_responses.error IS 'What the provider said was wrong';
COMMENT ON COLUMN tag_responses.usage IS 'The tokens that were paid for; hidden reasoning counts as output';
COMMENT ON COLUMN tag_responses.received_at IS 'When it was taken in';

CREATE TABLE collection_findings (
    submission VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL CHECK (kind IN ('duplicate', 'unknown', 'unreadable', 'missing')),
    custom_id  VARCHAR,
    detail     VARCHAR,
    found_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE collection_findings IS 'Rows of results that were not as they should be; nothing is dropped in silence';
COMMENT ON COLUMN collection_findings.submission IS 'The batch';
COMMENT ON COLUMN collection_findings.kind IS 'duplicate, unknown, unreadable or missing';
COMMENT ON COLUMN collection_findings.custom_id IS 'The id that the row carried, if it could be read';
COMMENT ON COLUMN collection_findings.detail IS 'What was found';
COMMENT ON COLUMN collection_findings.found_at IS 'When it was found';

CREATE TABLE palette_tags (
    seed           VARCHAR NOT NULL,
    provider       VARCHAR NOT NULL,
    model          VARCHAR NOT NULL,
    analysis_index INTEGER NOT NULL,
    prompt_version VARCHAR NOT NULL,
    tags           STRUCT(
        mood VARCHAR[], style VARCHAR[], harmony VARCHAR[], temperature VARCHAR, contrast VARCHAR,
        brightness VARCHAR, saturation VARCHAR, seasonal VARCHAR[], associations VARCHAR[]
    ),
    error          VARCHAR,
    usage          STRUCT(input_tokens BIGINT, output_tokens BIGINT),
    cost_usd       DOUBLE,
    batch_id       VARCHAR,
    custom_id      VARCHAR NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (seed, provider, model, analysis_index, prompt_version),
    CHECK ((tags IS NULL) <> (error IS NULL))
);
COMMENT ON TABLE palette_tags IS 'A tagging answer, parsed: a pure function of tag_responses';
COMMENT ON COLUMN palette_tags.seed IS 'The palette';
COMMENT ON COLUMN palette_tags.provider IS 'Who was asked';
COMMENT ON COLUMN palette_tags.model IS 'The models id at the provider';
COMMENT ON COLUMN palette_tags.analysis_index IS 'From 0: which of the several descriptions this is';
COMMENT ON COLUMN palette_tags.prompt_version IS 'The prompt that was used';
COMMENT ON COLUMN palette_tags.tags IS 'Null where there is an error';
COMMENT ON COLUMN palette_tags.error IS 'Why there are no tags: a code, a colon, an explanation';
COMMENT ON COLUMN palette_tags.usage IS 'The tokens that were paid for, also for an error';
COMMENT ON COLUMN palette_tags.cost_usd IS 'What this answer cost, at the batch price of its day';
COMMENT ON COLUMN palette_tags.batch_id IS 'The providers name for the batch';
COMMENT ON COLUMN palette_tags.custom_id IS 'The request whose answer this is';
COMMENT ON COLUMN palette_tags.created_at IS 'When the answer was taken in';

CREATE TABLE answer_parses (
    submission     VARCHAR PRIMARY KEY,
    parser_version INTEGER NOT NULL,
    parsed_at      TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE answer_parses IS 'Which version of the parser has read the answers of a batch';
COMMENT ON COLUMN answer_parses.submission IS 'The batch';
COMMENT ON COLUMN answer_parses.parser_version IS 'The version of the parser';
COMMENT ON COLUMN answer_parses.parsed_at IS 'When it read the answers';

INSERT INTO config VALUES (1, 8, now());

COMMENT ON TABLE schema_migrations IS 'The migrations that this database has had';
COMMENT ON COLUMN schema_migrations.name IS 'The file, without its ending';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it was applied';
