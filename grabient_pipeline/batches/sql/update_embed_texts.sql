-- `composed` is a registered frame: custom_id, embed_text. Parameters: recipe.
UPDATE palette_tag_refined
SET embed_text = composed.embed_text, embed_text_recipe = $recipe
FROM composed
WHERE palette_tag_refined.custom_id = composed.custom_id
  AND (
      palette_tag_refined.embed_text <> composed.embed_text
      OR palette_tag_refined.embed_text_recipe <> $recipe
  )
