"""Requests are read from a large JSON document without parsing it as a whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_pipeline.sandbox.providers.anthropic.json_rows import MalformedDocumentError, rows_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    rows=st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=4), max_size=4),
    around=st.dictionaries(st.sampled_from(["a", "b", "request"]), JSON, max_size=2),
    indent=st.sampled_from([None, 1]),
    first=st.booleans(),
)
def test_rows_are_found_in_any_document(tmp_path_factory, rows, around, indent, first):
    document = {"requests": rows, **around} if first else {**around, "requests": rows}
    path = tmp_path_factory.mktemp("rows") / "body"
    path.write_text(json.dumps(document, indent=indent))
    assert [json.loads(row) for row in rows_in(path, "requests")] == rows


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"requests": [', b'{"requests": []} x', b'{"requests": ["a"]}'])
def test_documents_without_rows_are_rejected(tmp_path, body):
    path = tmp_path / "body"
    path.write_bytes(body)
    with pytest.raises(MalformedDocumentError):
        list(rows_in(path, "requests"))
