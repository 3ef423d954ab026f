-- Cost of batches and answers at other prices than they were booked at. `right_prices` is a registered table:
-- submission, writes_unasked (whether its provider charges for filling its cache unasked), and the prices by their
-- names in `tag_batches`. `token_cost` is a macro of the connection.
CREATE OR REPLACE TEMP VIEW corrected_answers AS
SELECT
    responses.custom_id,
    responses.submission,
    token_cost(responses.usage, responses, right_prices) AS cost_usd
FROM (
    SELECT
        custom_id, submission, usage, cached_input_tokens, cache_write_tokens, cache_write_hour_tokens, price_share
    FROM tag_responses
    UNION ALL
    SELECT
        custom_id, submission, usage, cached_input_tokens, cache_write_tokens, cache_write_hour_tokens, price_share
    FROM found_responses
) AS responses
JOIN right_prices USING (submission);

UPDATE tag_responses AS kept
SET cost_usd = corrected.cost_usd
FROM corrected_answers AS corrected
WHERE kept.custom_id = corrected.custom_id;

UPDATE found_responses AS kept
SET cost_usd = corrected.cost_usd
FROM corrected_answers AS corrected
WHERE kept.custom_id = corrected.custom_id;

UPDATE palette_tags AS kept
SET cost_usd = corrected.cost_usd
FROM corrected_answers AS corrected
WHERE kept.custom_id = corrected.custom_id;

UPDATE palette_tag_refined AS kept
SET cost_usd = corrected.cost_usd
FROM corrected_answers AS corrected
WHERE kept.custom_id = corrected.custom_id;

CREATE OR REPLACE TEMP TABLE corrected_batches AS
SELECT
    batches.submission,
    batches.provider,
    batches.model,
    right_prices.input_usd_per_million,
    right_prices.output_usd_per_million,
    right_prices.cached_input_usd_per_million,
    right_prices.cache_write_usd_per_million,
    right_prices.cache_write_hour_usd_per_million,
    CASE
        WHEN batches.estimated_input_tokens + batches.estimated_output_tokens > 0 THEN token_cost(
            {
                'input_tokens': batches.estimated_input_tokens,
                'output_tokens': batches.estimated_output_tokens
            },
            {
                'price_share': 1,
                'cached_input_tokens': 0,
                -- As estimates count it.
                'cache_write_tokens': CASE
                    WHEN right_prices.writes_unasked THEN batches.estimated_input_tokens ELSE 0
                END,
                'cache_write_hour_tokens': 0
            },
            right_prices
        )
        -- A batch that was in progress in the earlier system has no estimate of tokens, only of cost, by what an answer
        -- of its model cost on average.
        WHEN batches.estimated_cost_usd > 0 THEN coalesce(
            batches.request_count * typical.cost_usd, batches.estimated_cost_usd
        )
        ELSE 0
    END AS estimated_cost_usd,
    batches.cost_usd AS booked_usd,
    CASE WHEN batches.cost_usd IS NOT NULL THEN coalesce(spent.cost_usd, 0) END AS cost_usd
FROM tag_batches AS batches
JOIN right_prices USING (submission)
LEFT JOIN (
    SELECT submission, sum(cost_usd) AS cost_usd FROM corrected_answers GROUP BY submission
) AS spent USING (submission)
LEFT JOIN (
    SELECT provider, model, avg(cost_usd) AS cost_usd FROM palette_tags GROUP BY provider, model
) AS typical USING (provider, model);

UPDATE tag_batches
SET input_usd_per_million = corrected.input_usd_per_million,
    output_usd_per_million = corrected.output_usd_per_million,
    cached_input_usd_per_million = corrected.cached_input_usd_per_million,
    cache_write_usd_per_million = corrected.cache_write_usd_per_million,
    cache_write_hour_usd_per_million = corrected.cache_write_hour_usd_per_million,
    estimated_cost_usd = corrected.estimated_cost_usd,
    cost_usd = corrected.cost_usd
FROM corrected_batches AS corrected
WHERE tag_batches.submission = corrected.submission;

INSERT INTO price_corrections BY NAME
SELECT
    provider,
    model,
    count(*) AS batches,
    coalesce(sum(booked_usd), 0) AS booked_usd,
    coalesce(sum(cost_usd), 0) AS corrected_usd,
    now() AS corrected_at
FROM corrected_batches
GROUP BY provider, model
