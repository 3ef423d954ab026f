INSERT INTO palette_tags BY NAME
FROM fresh_tags
ANTI JOIN answered_before USING (custom_id)
