-- Pictures that are in the bucket now. `uploaded` is a table of ours: palette_id. Parameters: folder.
UPDATE palettes
SET image_url = concat($folder, palettes.palette_id, '.png')
FROM uploaded
WHERE palettes.palette_id = uploaded.palette_id AND palettes.image_url <> concat($folder, palettes.palette_id, '.png')
