"""Search: embeddings of the palettes, and the palettes that match a query.

    embedders/                     the embedding models behind one protocol
    embed_palettes.py              the step that keeps `palette_embeddings` up to date
    query.py words.py colours.py   parse a query into words and colours
    index.py                       the searchable data, in memory
    ranking.py                     the score of each palette for a query
    find.py                        the public function `search`
    evaluation.py metrics.py       search quality on a judged query set

Reads the published database through the warehouse, and does not import Dagster.
"""
