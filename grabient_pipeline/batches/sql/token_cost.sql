-- What tokens cost in US dollars; null without tokens. The one place with the formula. `usage` has the totals, `details`
-- and `price` have the columns of `tag_responses` and `tag_batches` of these names: cached_input_tokens,
-- cache_write_tokens, cache_write_hour_tokens, price_share; and input_usd_per_million, output_usd_per_million,
-- cached_input_usd_per_million, cache_write_usd_per_million, cache_write_hour_usd_per_million.
CREATE OR REPLACE TEMP MACRO token_cost(usage, details, price) AS
CASE
    WHEN usage IS NOT NULL THEN coalesce(details.price_share, 1) * (
        (
            coalesce(usage.input_tokens, 0)
            - coalesce(details.cached_input_tokens, 0)
            - coalesce(details.cache_write_tokens, 0)
        ) * price.input_usd_per_million
        + coalesce(details.cached_input_tokens, 0)
        * coalesce(price.cached_input_usd_per_million, price.input_usd_per_million)
        + (coalesce(details.cache_write_tokens, 0) - coalesce(details.cache_write_hour_tokens, 0))
        * coalesce(price.cache_write_usd_per_million, price.input_usd_per_million)
        + coalesce(details.cache_write_hour_tokens, 0) * coalesce(
            price.cache_write_hour_usd_per_million, price.cache_write_usd_per_million, price.input_usd_per_million
        )
        + coalesce(usage.output_tokens, 0) * price.output_usd_per_million
    ) / 1e6
END
