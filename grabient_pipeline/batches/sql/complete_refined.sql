UPDATE palette_tag_refined
SET consensus_digest = completed.digest, consensus_prompt_version = completed.consensus_prompt_version
FROM completed_basis AS completed
WHERE palette_tag_refined.custom_id = completed.custom_id
