-- Of palettes without a usable answer (count_consensus.sql knows those that have one) there is no consensus.
DELETE FROM palette_tag_consensus AS kept
WHERE NOT EXISTS (
    FROM counted_palettes AS counted
    WHERE counted.seed = kept.seed AND counted.prompt_version = kept.prompt_version
)
