-- Parameters: order_number, provider, model, reason.
UPDATE order_parts
SET closed_at = now(), closed_reason = $reason
WHERE order_number = $order_number AND provider = $provider AND model = $model AND closed_at IS NULL
