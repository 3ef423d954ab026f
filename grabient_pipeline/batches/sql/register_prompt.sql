-- Parameters: version, stage, content, with_image.
INSERT INTO prompt_versions (version, stage, content, created_at, with_image)
VALUES ($version, $stage, $content, now(), $with_image)
ON CONFLICT (version) DO NOTHING
