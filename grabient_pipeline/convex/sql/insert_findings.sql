-- Rows of an adopted batch that are no answers, or answers that are there already. `found` is a table of ours.
-- Parameters: submission.
INSERT INTO collection_findings BY NAME
SELECT $submission AS submission, kind, custom_id, detail, now() AS found_at FROM found
