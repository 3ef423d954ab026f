-- Which answers are to a question that has a row of tags already: asked a second time, or read anew. Mostly there are
-- none, and then nothing wide needs to be compared. `parsed` is a view of ours.
CREATE OR REPLACE TEMP TABLE answered_before AS
SELECT requests.custom_id
FROM tag_requests AS requests
SEMI JOIN parsed USING (custom_id)
SEMI JOIN palette_tags USING (seed, provider, model, analysis_index, prompt_version)
