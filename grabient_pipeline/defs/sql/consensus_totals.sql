SELECT
    (SELECT coalesce(sum(total_analyses), 0) FROM palette_tag_consensus)::BIGINT AS counted,
    (SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL) AS usable
