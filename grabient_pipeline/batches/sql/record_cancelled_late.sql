-- Batches of open orders that ended as cancelled after their deadline: the process that cancelled them died before it
-- recorded why. By this machine's clock, as the deadline is.
UPDATE tag_batches
SET late_at = now()
FROM orders
WHERE orders.number = tag_batches.order_number
  AND orders.closed_at IS NULL
  AND tag_batches.access = 'batch'
  AND tag_batches.status = 'cancelled'
  AND tag_batches.late_at IS NULL
  AND tag_batches.completed_at - to_seconds(coalesce(tag_batches.clock_offset_seconds, 0))
      > tag_batches.submitted_at + to_seconds(3600 * orders.deadline_hours)
