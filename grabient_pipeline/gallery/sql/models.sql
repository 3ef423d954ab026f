-- Every model with a tag in some consensus, as provider/model, and the one whose place it has taken.
SELECT answered.model, places.place
FROM (SELECT DISTINCT unnest(models) AS model FROM consensus_tags) AS answered
LEFT JOIN model_places AS places ON places.provider || '/' || places.model = answered.model
ORDER BY answered.model
