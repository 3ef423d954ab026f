-- Apostrophes that some comments lacked.
COMMENT ON COLUMN tag_batches.model IS 'The model''s id at the provider';
COMMENT ON COLUMN palette_tags.model IS 'The model''s id at the provider';
COMMENT ON COLUMN palette_tags.batch_id IS 'The provider''s name for the batch';
COMMENT ON COLUMN palette_tag_refined.batch_id IS 'The provider''s name for the batch';
COMMENT ON COLUMN model_scorecard.model IS 'The model''s id at the provider';
COMMENT ON COLUMN unnumbered_palette_tags.model IS 'The model''s id at the provider';
