-- Palettes whose image is the local file or in the bucket. Parameters: folder (the public URL of the bucket's folder).
SELECT palette_id
FROM palettes
WHERE image_url = concat('images/', palette_id, '.png') OR starts_with(image_url, $folder)
ORDER BY palette_id
