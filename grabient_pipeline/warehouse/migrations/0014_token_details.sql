-- What providers tell about the tokens of a response besides the totals, and its cost, which is computed once, when it is
-- stored. Earlier responses keep their cost; their details are not known. Earlier batches have no prices of cached input.

ALTER TABLE tag_responses ADD COLUMN cached_input_tokens BIGINT;
COMMENT ON COLUMN tag_responses.cached_input_tokens IS
    'Of the input tokens, those read from the provider''s cache; null if it does not say, and for responses of older versions';
ALTER TABLE tag_responses ADD COLUMN cache_write_tokens BIGINT;
COMMENT ON COLUMN tag_responses.cache_write_tokens IS
    'Of the input tokens, those written into the provider''s cache; null if it does not say, and for responses of older versions';
ALTER TABLE tag_responses ADD COLUMN cache_write_hour_tokens BIGINT;
COMMENT ON COLUMN tag_responses.cache_write_hour_tokens IS
    'Of the tokens written into the cache, those kept there for an hour; null if the provider does not say';
ALTER TABLE tag_responses ADD COLUMN reasoning_tokens BIGINT;
COMMENT ON COLUMN tag_responses.reasoning_tokens IS
    'Of the output tokens, those of hidden reasoning; null if the provider does not say, and for responses of older versions';
ALTER TABLE tag_responses ADD COLUMN service_tier VARCHAR;
COMMENT ON COLUMN tag_responses.service_tier IS
    'The tier that served it, in the provider''s word; null if it does not say, and for responses of older versions';
ALTER TABLE tag_responses ADD COLUMN price_share DOUBLE;
COMMENT ON COLUMN tag_responses.price_share IS
    'What its tokens cost, as a share of the prices of its batch: 1 unless an ordinary call was served by another tier';
ALTER TABLE tag_responses ADD COLUMN cost_usd DOUBLE;
COMMENT ON COLUMN tag_responses.cost_usd IS
    'The cost of its tokens at the prices of its batch and its price_share; null if it has no tokens';

UPDATE tag_responses
SET cost_usd = (
    coalesce(tag_responses.usage.input_tokens, 0) * batches.input_usd_per_million
    + coalesce(tag_responses.usage.output_tokens, 0) * batches.output_usd_per_million
) / 1e6
FROM tag_batches AS batches
WHERE batches.submission = tag_responses.submission AND tag_responses.usage IS NOT NULL;

ALTER TABLE found_responses ADD COLUMN cached_input_tokens BIGINT;
COMMENT ON COLUMN found_responses.cached_input_tokens IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN cache_write_tokens BIGINT;
COMMENT ON COLUMN found_responses.cache_write_tokens IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN cache_write_hour_tokens BIGINT;
COMMENT ON COLUMN found_responses.cache_write_hour_tokens IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN reasoning_tokens BIGINT;
COMMENT ON COLUMN found_responses.reasoning_tokens IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN service_tier VARCHAR;
COMMENT ON COLUMN found_responses.service_tier IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN price_share DOUBLE;
COMMENT ON COLUMN found_responses.price_share IS 'As in tag_responses';
ALTER TABLE found_responses ADD COLUMN cost_usd DOUBLE;
COMMENT ON COLUMN found_responses.cost_usd IS 'As in tag_responses';

UPDATE found_responses
SET cost_usd = (
    coalesce(found_responses.usage.input_tokens, 0) * batches.input_usd_per_million
    + coalesce(found_responses.usage.output_tokens, 0) * batches.output_usd_per_million
) / 1e6
FROM tag_batches AS batches
WHERE batches.submission = found_responses.submission AND found_responses.usage IS NOT NULL;

ALTER TABLE tag_batches ADD COLUMN cached_input_usd_per_million DOUBLE;
COMMENT ON COLUMN tag_batches.cached_input_usd_per_million IS
    'The price of input read from the cache; null if it costs what other input costs, and for batches of older versions';
ALTER TABLE tag_batches ADD COLUMN cache_write_usd_per_million DOUBLE;
COMMENT ON COLUMN tag_batches.cache_write_usd_per_million IS
    'The price of input written into the cache; null if it costs what other input costs, and for batches of older versions';
ALTER TABLE tag_batches ADD COLUMN cache_write_hour_usd_per_million DOUBLE;
COMMENT ON COLUMN tag_batches.cache_write_hour_usd_per_million IS
    'The price of input written into the cache for an hour; null if it costs what other input written there costs';
ALTER TABLE tag_batches ADD COLUMN service_tier VARCHAR;
COMMENT ON COLUMN tag_batches.service_tier IS
    'The tier that its ordinary calls ask for and at whose price they are estimated; null for batches and the standard tier';

ALTER TABLE model_scorecard ADD COLUMN cached_input_tokens BIGINT;
COMMENT ON COLUMN model_scorecard.cached_input_tokens IS
    'Of the input tokens, those read from the provider''s cache, as far as it said; null if it never did';
ALTER TABLE model_scorecard ADD COLUMN reasoning_tokens BIGINT;
COMMENT ON COLUMN model_scorecard.reasoning_tokens IS
    'Of the output tokens, those of hidden reasoning, as far as the provider said; null if it never did';
