-- The refinements that an order has brought up to date. Parameters: order_number.
CREATE OR REPLACE TEMP TABLE refreshed_requests AS
SELECT requests.custom_id
FROM tag_requests AS requests
JOIN tag_batches AS batches USING (submission)
WHERE batches.order_number = $order_number AND requests.stage = 'refinement' AND requests.state = 'succeeded'
