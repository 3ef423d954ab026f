-- Inserts a consensus and a refinement for every palette, with the number and length of tags that ten models give in
-- eight responses each. Hashes choose the tags, so that every run has the same.
CREATE TEMP TABLE models AS
SELECT list('provider/model-' || number) AS names FROM range(10) AS models (number);

CREATE TEMP MACRO chosen(seed, field, place, words) AS
    field || ' word ' || (hash(seed, field, place) % words);

CREATE TEMP MACRO counted(seed, field, tags, words, names) AS list_transform(
    range(tags),
    lambda place: {
        'tag': chosen(seed, field, place, words),
        'votes': 10.0 / (place + 1),
        'share': 1.0 / (place + 1),
        'answers': (80 // (place + 1))::INTEGER,
        'models': list_filter(names, lambda name: hash(seed, field, place, name) % (place + 1) = 0)
    }
);

CREATE TEMP MACRO refined(seed, field, tags, words) AS
    list_transform(range(tags), lambda place: chosen(seed, field, place, words));

INSERT INTO palette_tag_consensus
SELECT
    seed, 'synthetic', 10, 80,
    counted(seed, 'mood', 15, 150, names),
    counted(seed, 'style', 15, 200, names),
    counted(seed, 'harmony', 3, 14, names),
    counted(seed, 'temperature', 3, 4, names),
    counted(seed, 'contrast', 3, 3, names),
    counted(seed, 'brightness', 3, 4, names),
    counted(seed, 'saturation', 3, 3, names),
    counted(seed, 'seasonal', 2, 40, names),
    counted(seed, 'associations', 20, 5000, names),
    'synthetic/' || seed,
    now()
FROM palettes
CROSS JOIN models;

INSERT INTO palette_tag_refined BY NAME
SELECT
    seed,
    'provider' AS provider,
    'refining-model' AS model,
    'synthetic' AS prompt_version,
    {
        'mood': refined(seed, 'mood', 6, 150),
        'style': refined(seed, 'style', 5, 200),
        'harmony': harmony,
        'temperature': temperature,
        'contrast': contrast,
        'brightness': brightness,
        'saturation': saturation,
        'seasonal': refined(seed, 'seasonal', 2, 40),
        'associations': refined(seed, 'associations', 18, 5000)
    } AS tags,
    array_to_string(refined(seed, 'associations', 15, 5000), ' ') AS embed_text,
    1 AS embed_text_recipe,
    'synthetic' AS consensus_prompt_version,
    seed AS custom_id,
    now() AS created_at
FROM palettes;
