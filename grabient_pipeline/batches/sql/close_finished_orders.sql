-- An order without an open part is closed, for the reason of most of its parts.
UPDATE orders
SET closed_at = now(),
    closed_reason = (
        SELECT mode(parts.closed_reason) FROM order_parts AS parts WHERE parts.order_number = orders.number
    )
WHERE closed_at IS NULL
  AND NOT EXISTS (
      SELECT 1 FROM order_parts AS parts WHERE parts.order_number = orders.number AND parts.closed_at IS NULL
  )
