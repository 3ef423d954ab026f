"""Reading a model's answer.

`parse` is the entry point: `extract` takes the JSON object out of the text, `normalise` turns its fields into tags, and
`answer` has the types of the result.
"""
