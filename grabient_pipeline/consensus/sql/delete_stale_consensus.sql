-- Removes the consensus of palettes that no longer have a usable answer (count_consensus.sql lists those that do).
DELETE FROM palette_tag_consensus AS kept
WHERE NOT EXISTS (
    FROM counted_palettes AS counted
    WHERE counted.seed = kept.seed AND counted.prompt_version = kept.prompt_version
)
