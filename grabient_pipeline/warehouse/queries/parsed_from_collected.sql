CREATE OR REPLACE TEMP TABLE parsed AS
SELECT custom_id, tags, reason AS error FROM collected WHERE outcome = 'succeeded'
