-- Every model that has said anything, as provider/model.
SELECT DISTINCT unnest(models) AS model FROM consensus_tags ORDER BY model
