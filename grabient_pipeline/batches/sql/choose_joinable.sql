-- Adopted batches with results that wait for palettes which are imported by now.
CREATE OR REPLACE TEMP TABLE chosen_batches AS
SELECT DISTINCT submission
FROM found_responses
SEMI JOIN palettes USING (palette_id)
