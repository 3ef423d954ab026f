-- Stores the registered frame `embedded`, without palettes that have been deleted meanwhile.
MERGE INTO palette_embeddings AS kept
USING (FROM embedded SEMI JOIN palettes USING (seed)) AS fresh
ON kept.seed = fresh.seed AND kept.embedding_model = fresh.embedding_model
WHEN MATCHED THEN UPDATE SET
    dimension = fresh.dimension,
    embedding = fresh.embedding,
    embed_text = fresh.embed_text,
    embed_text_hash = fresh.embed_text_hash,
    text_source = fresh.text_source,
    cost_usd = fresh.cost_usd,
    created_at = now()
WHEN NOT MATCHED THEN INSERT (
    seed, embedding_model, dimension, embedding, embed_text, embed_text_hash, text_source, cost_usd, created_at
) VALUES (
    fresh.seed, fresh.embedding_model, fresh.dimension, fresh.embedding, fresh.embed_text, fresh.embed_text_hash,
    fresh.text_source, fresh.cost_usd, now()
)
