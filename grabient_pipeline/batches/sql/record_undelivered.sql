-- Parameters: submission, detail.
INSERT INTO collection_findings BY NAME
SELECT $submission AS submission, 'undelivered' AS kind, NULL AS custom_id, $detail AS detail, now() AS found_at
