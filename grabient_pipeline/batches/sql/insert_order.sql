-- Parameters: number, stage, analysis_count, prompt_version, max_cost_usd, include_retired, refresh_stale, refine_now,
-- ask_again, deadline_hours, when_late, estimated_requests, estimated_cost_usd.
INSERT INTO orders BY NAME
SELECT
    $number AS number,
    $stage AS stage,
    $analysis_count AS analysis_count,
    $prompt_version AS prompt_version,
    $max_cost_usd AS max_cost_usd,
    $include_retired AS include_retired,
    $refresh_stale AS refresh_stale,
    $refine_now AS refine_now,
    $ask_again AS ask_again,
    $deadline_hours AS deadline_hours,
    $when_late AS when_late,
    $estimated_requests AS estimated_requests,
    $estimated_cost_usd AS estimated_cost_usd,
    now() AS created_at
