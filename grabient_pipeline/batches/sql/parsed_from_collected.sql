CREATE OR REPLACE TEMP VIEW parsed AS
SELECT collected.custom_id, staged.tags, staged.reason AS error
FROM staged
JOIN collected USING (line_number)
WHERE collected.outcome = 'succeeded'
UNION ALL
FROM parsed_without_text
