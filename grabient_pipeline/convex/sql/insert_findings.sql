-- Rows of an adopted batch that are not answers, or answers that are already there. `findings` is a registered table:
-- kind, custom_id, detail. Parameters: submission.
INSERT INTO collection_findings BY NAME
SELECT $submission AS submission, kind, custom_id, detail, now() AS found_at FROM findings
