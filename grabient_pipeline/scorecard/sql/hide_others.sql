-- Hides from the statements of the scorecard what is not in answered_by_all: a temporary table precedes the table of the
-- same name. Not a view, which would precede it in its own text as well.
CREATE TEMP TABLE palette_tags AS
SELECT seed, provider, model, analysis_index, prompt_version, tags, error, custom_id
FROM palette_tags
SEMI JOIN answered_by_all USING (seed, provider, model);
CREATE TEMP TABLE tag_requests AS
SELECT custom_id, submission, stage, provider, model, seed, prompt_version, state
FROM tag_requests
SEMI JOIN answered_by_all USING (seed, provider, model)
