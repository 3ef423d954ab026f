-- Counts the tags of each palette (after tabulate_answers.sql) and finds the palettes whose counts have changed. These
-- are numbered in pieces of $piece_size, because building all lists at once would take memory in proportion to all tags.
-- Parameters: piece_size.

CREATE OR REPLACE TEMP TABLE counted_tags AS
SELECT
    palette,
    field,
    tag,
    round(sum(weight) / 1e6)::BIGINT AS millionths,
    count(*)::INTEGER AS answers,
    bit_or(model_bits) AS model_bits
FROM counted_mentions
GROUP BY ALL;

-- There are few distinct sets of models, so the names of each set are joined only once.
CREATE OR REPLACE TEMP TABLE counted_names AS
SELECT
    subsets.model_bits,
    list(models.name ORDER BY models.place) AS models,
    string_agg(models.name, chr(29) ORDER BY models.place) AS joined
FROM (SELECT DISTINCT model_bits FROM counted_tags) AS subsets
JOIN counted_models AS models ON get_bit(subsets.model_bits, models.place - 1) = 1
GROUP BY subsets.model_bits;

CREATE OR REPLACE TEMP TABLE counted_palettes AS
WITH totals AS (
    SELECT palette, count(*)::INTEGER AS total_models, sum(analyses)::INTEGER AS total_analyses
    FROM counted_analyses
    GROUP BY ALL
),
digests AS (
    -- Made of integers and text only, and independent of row order: equal counts give equal digests on any machine.
    SELECT
        tags.palette,
        bit_xor(
            md5_number(
                concat_ws(chr(31), enum_code(tags.field) + 1, tags.tag, tags.answers, tags.millionths, names.joined)
            )
        ) AS digest
    FROM counted_tags AS tags
    JOIN counted_names AS names USING (model_bits)
    GROUP BY tags.palette
)
SELECT
    palettes.*,
    totals.total_models,
    totals.total_analyses,
    concat(
        palettes.prompt_version,
        '/',
        md5(concat_ws(chr(30), totals.total_models, totals.total_analyses, digests.digest))
    ) AS digest
FROM counted_palettes AS palettes
JOIN totals USING (palette)
LEFT JOIN digests USING (palette);

CREATE OR REPLACE TEMP MACRO as_votes(entries) AS coalesce(
    list_transform(
        entries,
        lambda entry: {
            'tag': entry.tag,
            'votes': -entry.against / 1e6,
            'share': entry.share,
            'answers': entry.answers,
            'models': entry.models
        }
    ),
    []
);

CREATE OR REPLACE TEMP TABLE counted_changed AS
SELECT *, (row_number() OVER () - 1) // $piece_size AS piece
FROM counted_palettes
ANTI JOIN palette_tag_consensus USING (seed, prompt_version, digest)
