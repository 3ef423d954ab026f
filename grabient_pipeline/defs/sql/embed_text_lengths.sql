-- Parameters: most_words.
SELECT
    count(*) AS texts,
    count(*) FILTER (
        len(words) NOT BETWEEN 1 AND $most_words OR len(words) <> len(list_distinct(words)) OR embed_text = ''
    ) AS outside,
    coalesce(max(len(words)), 0) AS longest
FROM (SELECT embed_text, string_split(embed_text, ' ') AS words FROM palette_tag_refined)
