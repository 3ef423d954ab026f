SELECT rows.number, tags.tag_number
FROM palette_tag_rows AS rows
JOIN numbered_tags AS tags USING (field, tag)
ORDER BY rows.number
