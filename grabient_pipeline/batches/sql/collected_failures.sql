-- Why requests that are stored now gave nothing usable, the most frequent reason first.
-- Parameters: why (of a request without a row).
SELECT
    coalesce(staged.reason, concat_ws(': ', collected.outcome, coalesce(staged.error, $why))) AS reason,
    count(*) AS requests
FROM collected
LEFT JOIN staged USING (line_number)
WHERE collected.state <> 'succeeded'
GROUP BY 1
ORDER BY requests DESC, 1
LIMIT 3
