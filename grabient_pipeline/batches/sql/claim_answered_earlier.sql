INSERT OR IGNORE INTO request_claims SELECT claim, custom_id FROM answered_earlier
