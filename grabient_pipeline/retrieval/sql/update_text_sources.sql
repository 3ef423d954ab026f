-- Where the same text now has another source: the vector stays. From the registered frame `restated`.
-- Parameter: model.
UPDATE palette_embeddings AS kept
SET text_source = restated.text_source
FROM restated
WHERE kept.seed = restated.seed AND kept.embedding_model = $model
