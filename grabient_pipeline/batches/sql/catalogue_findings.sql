SELECT
    source, checked_at, model, is_listed, ends_on, unreadable_end, is_deprecated, is_retired, takes_batches,
    input_usd_per_million, output_usd_per_million
FROM catalogue_findings
ORDER BY source, model
