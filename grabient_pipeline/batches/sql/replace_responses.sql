-- Answers that came after their requests were settled without one.
UPDATE tag_responses
SET outcome = fresh.outcome,
    text = fresh.text,
    finish_reason = fresh.finish_reason,
    error = fresh.error,
    usage = fresh.usage,
    received_at = now()
FROM (FROM collected_responses WHERE kept_outcome IS NOT NULL) AS fresh
WHERE tag_responses.custom_id = fresh.custom_id
