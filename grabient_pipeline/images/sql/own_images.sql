-- Palettes whose picture is the file that is drawn here, or in the bucket. Parameters: folder.
SELECT palette_id
FROM palettes
WHERE image_url = concat('images/', palette_id, '.png') OR starts_with(image_url, $folder)
ORDER BY palette_id
