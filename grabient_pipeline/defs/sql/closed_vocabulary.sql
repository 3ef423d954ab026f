-- Usable answers, and those with a word in a closed field that its vocabulary does not have. Parameters: one list per
-- field.
SELECT
    count(*),
    count(*) FILTER (
        NOT list_has_all($harmony, tags.harmony)
        OR NOT list_has_all($seasonal, tags.seasonal)
        OR NOT list_contains($temperature, tags.temperature)
        OR NOT list_contains($contrast, tags.contrast)
        OR NOT list_contains($brightness, tags.brightness)
        OR NOT list_contains($saturation, tags.saturation)
    )
FROM palette_tags
WHERE tags IS NOT NULL
