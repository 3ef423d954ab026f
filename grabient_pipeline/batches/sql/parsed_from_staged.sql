CREATE OR REPLACE TEMP VIEW parsed AS
SELECT custom_id, tags, reason AS error FROM staged
UNION ALL
FROM parsed_without_text
