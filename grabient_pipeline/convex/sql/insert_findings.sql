-- Rows of an adopted batch that are not answers, or answers that are already there; not those that an earlier look has
-- recorded. `findings` is a registered table: kind, custom_id, detail. Parameters: submission.
INSERT INTO collection_findings BY NAME
SELECT *, now() AS found_at
FROM (
    SELECT $submission AS submission, kind, custom_id, detail FROM findings
    EXCEPT ALL
    SELECT submission, kind, custom_id, detail FROM collection_findings WHERE submission = $submission
)
