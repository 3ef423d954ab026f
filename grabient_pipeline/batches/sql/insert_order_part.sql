-- Parameters: order_number, provider, model, access, place, last_palette_at, last_seed, estimated_requests, estimated_cost_usd.
INSERT INTO order_parts BY NAME
SELECT
    $order_number AS order_number,
    $provider AS provider,
    $model AS model,
    $access AS access,
    $place AS place,
    $last_palette_at AS last_palette_at,
    $last_seed AS last_seed,
    $estimated_requests AS estimated_requests,
    $estimated_cost_usd AS estimated_cost_usd
