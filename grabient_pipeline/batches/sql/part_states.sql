-- The requests of a part's own batches: in flight, succeeded, failed. Parameters: order_number, provider, model.
SELECT
    count(*) FILTER (requests.state = 'in_flight'),
    count(*) FILTER (requests.state = 'succeeded'),
    count(*) FILTER (requests.state = 'failed')
FROM tag_requests AS requests
JOIN tag_batches AS batches USING (submission)
WHERE batches.order_number = $order_number AND batches.provider = $provider AND batches.model = $model
