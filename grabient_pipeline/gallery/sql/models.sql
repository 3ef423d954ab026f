-- Every model with a tag in some consensus, as provider/model.
SELECT DISTINCT unnest(models) AS model FROM consensus_tags ORDER BY model
