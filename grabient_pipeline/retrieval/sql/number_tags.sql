-- Everything that a palette can be found by, as two temporary tables: one row per palette and tag, and the distinct tags
-- with their numbers. The name of a palette is one of its tags.
CREATE OR REPLACE TEMP TABLE palette_tag_rows AS
SELECT number, 'name' AS field, name AS tag FROM numbered_palettes WHERE name IS NOT NULL
UNION ALL
SELECT number, 'mood', unnest(mood) FROM numbered_palettes
UNION ALL
SELECT number, 'style', unnest(style) FROM numbered_palettes
UNION ALL
SELECT number, 'seasonal', unnest(seasonal) FROM numbered_palettes
UNION ALL
SELECT number, 'associations', unnest(associations) FROM numbered_palettes
UNION ALL
SELECT number, 'harmony', unnest(harmony) FROM numbered_palettes
UNION ALL
SELECT number, 'colour', unnest(colour_names) FROM numbered_palettes
UNION ALL
SELECT number, 'temperature', temperature FROM numbered_palettes
UNION ALL
SELECT number, 'contrast', contrast FROM numbered_palettes
UNION ALL
SELECT number, 'brightness', brightness FROM numbered_palettes
UNION ALL
SELECT number, 'saturation', saturation FROM numbered_palettes;

CREATE OR REPLACE TEMP TABLE numbered_tags AS
SELECT (row_number() OVER (ORDER BY field, tag) - 1)::INTEGER AS tag_number, field, tag
FROM (SELECT DISTINCT field, tag FROM palette_tag_rows)
