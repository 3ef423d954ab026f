-- Every batch with its day in UTC and the price that it was booked at.
SELECT
    submission,
    provider,
    model,
    access,
    service_tier,
    (created_at AT TIME ZONE 'UTC')::DATE,
    input_usd_per_million,
    output_usd_per_million
FROM tag_batches
ORDER BY submission
