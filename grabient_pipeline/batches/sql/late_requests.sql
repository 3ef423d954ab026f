-- The requests of an order that a late batch did not answer. Parameters: order_number.
CREATE OR REPLACE TEMP TABLE late_requests AS
SELECT requests.custom_id
FROM tag_requests AS requests
JOIN tag_batches AS batches USING (submission)
WHERE batches.order_number = $order_number AND batches.late_at IS NOT NULL AND requests.state = 'released'
