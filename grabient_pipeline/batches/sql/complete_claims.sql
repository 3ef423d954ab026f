-- A claim is the hash of what was asked, and the digest is part of it. If another request holds that claim by now, this
-- one keeps its old claim, which nothing else can have.
UPDATE request_claims
SET claim = completed.claim
FROM completed_basis AS completed
WHERE request_claims.custom_id = completed.custom_id
  AND completed.claim NOT IN (SELECT claim FROM request_claims)
