-- Updates the source of texts that have not changed; their embeddings stay. Reads the registered frame
-- `changed_sources`.
-- Parameters: model.
UPDATE palette_embeddings AS kept
SET text_source = changed_sources.text_source
FROM changed_sources
WHERE kept.seed = changed_sources.seed AND kept.embedding_model = $model
