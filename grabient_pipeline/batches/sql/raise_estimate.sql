-- Parameters: submission, extra, refusal. A batch whose tier was refused: the rest of it is sent at the default tier.
UPDATE tag_batches
SET estimated_cost_usd = estimated_cost_usd + $extra,
    parameters = json_merge_patch(parameters, json_object('service_tier', 'default', 'flex_refused', $refusal))
WHERE submission = $submission
