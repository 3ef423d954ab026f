-- Parameters: provider, batch_id, kind.
MERGE INTO other_batches AS known
USING (SELECT $provider AS provider, $batch_id AS batch_id, $kind AS kind) AS seen
ON known.provider = seen.provider AND known.batch_id = seen.batch_id
WHEN MATCHED THEN UPDATE SET kind = seen.kind, seen_at = now()
WHEN NOT MATCHED THEN INSERT (provider, batch_id, kind, seen_at) VALUES (seen.provider, seen.batch_id, seen.kind, now())
