-- Orders: what a person asked for, pinned when it was asked, and sent piece by piece as the queues of the providers have
-- room. How far an order has come is read from its requests.

CREATE TABLE orders (
    number             BIGINT PRIMARY KEY,
    stage              VARCHAR NOT NULL CHECK (stage IN ('tagging', 'refinement')),
    analysis_count     INTEGER NOT NULL CHECK (analysis_count BETWEEN 1 AND 20),
    prompt_version     VARCHAR NOT NULL,
    max_cost_usd       DOUBLE NOT NULL,
    include_retired    BOOLEAN NOT NULL,
    refresh_stale      BOOLEAN NOT NULL,
    refine_now         BOOLEAN NOT NULL,
    deadline_hours     DOUBLE,
    when_late          VARCHAR CHECK (when_late IN ('direct', 'again', 'leave')),
    estimated_requests BIGINT NOT NULL,
    estimated_cost_usd DOUBLE NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL,
    closed_at          TIMESTAMPTZ,
    closed_reason      VARCHAR
);
COMMENT ON TABLE orders IS 'What was asked for: the models, how often, and for how much at most';
COMMENT ON COLUMN orders.number IS 'Its number, from 1';
COMMENT ON COLUMN orders.stage IS 'tagging or refinement';
COMMENT ON COLUMN orders.analysis_count IS 'How often each model describes each palette';
COMMENT ON COLUMN orders.prompt_version IS 'The prompt version of all its requests';
COMMENT ON COLUMN orders.max_cost_usd IS 'Its cost cap in US dollars: nothing is sent that could exceed it';
COMMENT ON COLUMN orders.include_retired IS 'Whether models that their provider has retired are asked all the same';
COMMENT ON COLUMN orders.refresh_stale IS 'Whether palettes with a stale refinement are refined again';
COMMENT ON COLUMN orders.refine_now IS 'Whether palettes are refined before all their tagging requests are settled';
COMMENT ON COLUMN orders.deadline_hours IS 'After so many hours a batch is late and is cancelled; null if none ever is';
COMMENT ON COLUMN orders.when_late IS
    'What becomes of the requests that a late batch did not answer: direct calls, again as a batch, or left';
COMMENT ON COLUMN orders.estimated_requests IS 'The requests that were missing when it was made';
COMMENT ON COLUMN orders.estimated_cost_usd IS 'The estimate when it was made';
COMMENT ON COLUMN orders.created_at IS 'When it was made';
COMMENT ON COLUMN orders.closed_at IS 'When nothing was left to send and everything was settled; null until then';
COMMENT ON COLUMN orders.closed_reason IS 'complete, or why it ended before';

CREATE TABLE order_parts (
    order_number       BIGINT NOT NULL,
    provider           VARCHAR NOT NULL,
    model              VARCHAR NOT NULL,
    access             VARCHAR NOT NULL CHECK (access IN ('batch', 'direct')),
    last_palette_at    TIMESTAMPTZ NOT NULL,
    last_seed          VARCHAR NOT NULL,
    estimated_requests BIGINT NOT NULL,
    estimated_cost_usd DOUBLE NOT NULL,
    closed_at          TIMESTAMPTZ,
    closed_reason      VARCHAR,
    PRIMARY KEY (order_number, provider, model)
);
COMMENT ON TABLE order_parts IS 'The models of each order';
COMMENT ON COLUMN order_parts.order_number IS 'The order';
COMMENT ON COLUMN order_parts.provider IS 'The provider';
COMMENT ON COLUMN order_parts.model IS 'The model''s id at the provider';
COMMENT ON COLUMN order_parts.access IS 'batch, or direct if its requests are ordinary calls at full price';
COMMENT ON COLUMN order_parts.last_palette_at IS
    'The palettes of the order are those imported until then; among those of that moment, by seed until last_seed';
COMMENT ON COLUMN order_parts.last_seed IS 'The last of its palettes';
COMMENT ON COLUMN order_parts.estimated_requests IS 'The requests that were missing when it was made';
COMMENT ON COLUMN order_parts.estimated_cost_usd IS 'The estimate when it was made';
COMMENT ON COLUMN order_parts.closed_at IS 'When nothing was left to send and everything was settled; null until then';
COMMENT ON COLUMN order_parts.closed_reason IS 'complete, or why it ended before';

ALTER TABLE tag_batches ADD COLUMN order_number BIGINT;
COMMENT ON COLUMN tag_batches.order_number IS 'The order that it is a piece of; null for batches older than orders, and for adopted ones';
ALTER TABLE tag_batches ADD COLUMN late_at TIMESTAMPTZ;
COMMENT ON COLUMN tag_batches.late_at IS 'When it was cancelled because it was later than its order allows';

CREATE TABLE account_limits (
    provider VARCHAR NOT NULL,
    model    VARCHAR NOT NULL,
    tier     VARCHAR,
    tokens   BIGINT,
    requests BIGINT,
    jobs     BIGINT,
    set_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, model)
);
COMMENT ON TABLE account_limits IS 'What a person said of the accounts: the tier, or figures that replace those of the tier';
COMMENT ON COLUMN account_limits.provider IS 'The provider';
COMMENT ON COLUMN account_limits.model IS 'The model''s id at the provider; empty for all of its models';
COMMENT ON COLUMN account_limits.tier IS 'The number of a tier in the catalogue, or none for an account without limits';
COMMENT ON COLUMN account_limits.tokens IS 'The tokens that may wait in batches, of each model';
COMMENT ON COLUMN account_limits.requests IS 'The requests that may wait in batches, of all models together';
COMMENT ON COLUMN account_limits.jobs IS 'The batches that may wait, of all models together';
COMMENT ON COLUMN account_limits.set_at IS 'When that was said';

CREATE TABLE refused_batches (
    submission          VARCHAR PRIMARY KEY,
    provider            VARCHAR NOT NULL,
    model               VARCHAR NOT NULL,
    kind                VARCHAR NOT NULL CHECK (kind IN ('tokens', 'requests', 'jobs', 'rate', 'other')),
    named_limit         BIGINT,
    occupied            BIGINT NOT NULL,
    size                BIGINT NOT NULL,
    retry_after_seconds DOUBLE,
    reason              VARCHAR NOT NULL,
    refused_at          TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE refused_batches IS 'Batches that a provider refused, for want of room or for another reason; never changed';
COMMENT ON COLUMN refused_batches.submission IS 'The batch';
COMMENT ON COLUMN refused_batches.provider IS 'The provider';
COMMENT ON COLUMN refused_batches.model IS 'The model''s id at the provider';
COMMENT ON COLUMN refused_batches.kind IS
    'What there was too much of: tokens, requests or jobs; rate if calls came too fast; other if there was another reason';
COMMENT ON COLUMN refused_batches.named_limit IS 'The limit, if the provider named it';
COMMENT ON COLUMN refused_batches.occupied IS 'How much of that kind the other batches of this ledger held, by our estimate';
COMMENT ON COLUMN refused_batches.size IS 'How much of it this batch would have held';
COMMENT ON COLUMN refused_batches.retry_after_seconds IS 'How long the provider asked us to wait; null if it did not say';
COMMENT ON COLUMN refused_batches.reason IS 'What the provider said';
COMMENT ON COLUMN refused_batches.refused_at IS 'When';

ALTER TABLE tag_requests ADD COLUMN basis_models INTEGER;
COMMENT ON COLUMN tag_requests.basis_models IS 'The models that the refined consensus was counted from; null for a tagging request';
ALTER TABLE tag_requests ADD COLUMN basis_answers INTEGER;
COMMENT ON COLUMN tag_requests.basis_answers IS 'The answers that the refined consensus was counted from; null for a tagging request';

ALTER TABLE config ADD COLUMN refine_after_hours DOUBLE DEFAULT 48;
COMMENT ON COLUMN config.refine_after_hours IS
    'A palette waits for so long for models that cannot be asked, then it is refined without them';
ALTER TABLE config ADD COLUMN refine_share DOUBLE DEFAULT 0.6;
COMMENT ON COLUMN config.refine_share IS 'Of the models asked about it, the share that must have answered by then';
