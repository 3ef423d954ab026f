SELECT
    embedding_model,
    max(dimension),
    count(*),
    count(*) FILTER (text_source = 'refined'),
    count(*) FILTER (text_source = 'consensus'),
    count(*) FILTER (text_source = 'measured'),
    round(sum(cost_usd), 4)
FROM palette_embeddings
GROUP BY embedding_model
ORDER BY embedding_model
