-- The batch that staged rows belong to, and what service tiers cost as shares of its prices.
-- Parameters: submission, tiers, shares, other_share.
SET VARIABLE staged_batch = {
    'submission': $submission::VARCHAR,
    'tier_shares': map($tiers::VARCHAR[], $shares::DOUBLE[]),
    'other_share': $other_share::DOUBLE
}
