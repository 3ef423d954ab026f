UPDATE tag_requests SET state = 'released' WHERE submission = $submission AND state = 'in_flight'
