-- From what the answers say (count_answers.sql) to the counts of each palette, and to the palettes of which these have
-- changed, in pieces of $piece_size: lists of all of them at once would need as much memory as there are tags.

CREATE OR REPLACE TEMP TABLE counted_tags AS
SELECT
    palette,
    field,
    tag,
    round(sum(weight) / 1e6)::BIGINT AS millionths,
    count(*)::INTEGER AS answers,
    bit_or(said_by) AS said_by
FROM counted_said
GROUP BY ALL;

-- Few models have few subsets: their names are put together once for each.
CREATE OR REPLACE TEMP TABLE counted_names AS
SELECT
    subsets.said_by,
    list(models.name ORDER BY models.place) AS models,
    string_agg(models.name, chr(29) ORDER BY models.place) AS joined
FROM (SELECT DISTINCT said_by FROM counted_tags) AS subsets
JOIN counted_models AS models ON get_bit(subsets.said_by, models.place - 1) = 1
GROUP BY subsets.said_by;

CREATE OR REPLACE TEMP TABLE counted_palettes AS
WITH totals AS (
    SELECT palette, count(*)::INTEGER AS total_models, sum(analyses)::INTEGER AS total_analyses
    FROM counted_analyses
    GROUP BY ALL
),
digests AS (
    -- From whole numbers and words only, so that the same counts give the same digest everywhere; in any order.
    SELECT
        tags.palette,
        bit_xor(
            md5_number(
                concat_ws(chr(31), tags.field, tags.tag, tags.answers, tags.millionths, names.joined)
            )
        ) AS digest
    FROM counted_tags AS tags
    JOIN counted_names AS names USING (said_by)
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
