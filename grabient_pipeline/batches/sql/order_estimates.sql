-- What the open orders were estimated to cost when they were made, in US dollars.
SELECT number, estimated_cost_usd FROM orders WHERE closed_at IS NULL
