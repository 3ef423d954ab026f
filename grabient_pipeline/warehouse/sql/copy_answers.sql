SELECT count(*) FROM tag_responses WHERE outcome = 'succeeded'
