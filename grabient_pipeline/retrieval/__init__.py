"""Search: palettes as vectors, and the palettes that match a query.

    embedders/          the embedding models behind one protocol
    embed_palettes.py   the step that keeps `palette_embeddings` up to date
    words.py colours.py query.py   what a query says, in words and in colours
    index.py            everything that is searched, in memory
    ranking.py          how well a palette matches: the blended score
    find.py             the public function `search`
    evaluation.py metrics.py   search quality on queries with known answers

Reads the published database through the warehouse. Knows no Dagster.
"""
