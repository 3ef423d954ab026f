-- Sets the URLs of the images in the bucket. Reads the registered frame `uploaded` (palette_id). Parameters: folder.
UPDATE palettes
SET image_url = concat($folder, palettes.palette_id, '.png')
FROM uploaded
WHERE palettes.palette_id = uploaded.palette_id AND palettes.image_url <> concat($folder, palettes.palette_id, '.png')
