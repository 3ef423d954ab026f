-- Count the requests that have a row of tags already, because they were sent or parsed a second time. Usually there
-- are none, and then no wide rows need to be compared. `parsed` is a view of the connection.
CREATE OR REPLACE TEMP TABLE answered_before AS
SELECT requests.custom_id
FROM tag_requests AS requests
SEMI JOIN parsed USING (custom_id)
SEMI JOIN palette_tags USING (seed, provider, model, analysis_index, prompt_version)
