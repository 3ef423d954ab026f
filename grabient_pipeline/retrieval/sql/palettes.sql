SELECT number, seed, palette_id, name, hex, image_url, text_source FROM numbered_palettes ORDER BY number
