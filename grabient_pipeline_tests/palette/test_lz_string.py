"""The strict reader against the Python port of lz-string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lzstring import LZString

from grabient_pipeline.palette.lz_string import LzStringError, decompress

URI_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-$"

numbers = st.text(st.sampled_from("0123456789.,-"), max_size=300)


@given(st.one_of(numbers, st.text(st.characters(max_codepoint=0xFFFF), max_size=60)))
def test_decodes_the_output_of_the_port(text: str) -> None:
    assert decompress(LZString.compressToEncodedURIComponent(text), max_length=300) == text


@given(st.text(st.sampled_from(URI_SAFE), max_size=40))
def test_agrees_with_the_port_on_any_stream(text: str) -> None:
    """For an invalid stream the port raises, returns None or an empty text; this reader rejects all of them."""
    try:
        expected = LZString.decompressFromEncodedURIComponent(text)
    except Exception:
        expected = None
    try:
        found = decompress(text, max_length=100_000)
    except LzStringError:
        found = None
    assert (found or None) == (expected or None)


@given(numbers.filter(bool), st.data())
def test_a_truncated_stream_is_rejected(text: str, data: st.DataObject) -> None:
    compressed = LZString.compressToEncodedURIComponent(text)
    cut = data.draw(st.integers(1, len(compressed) - 1))
    with pytest.raises(LzStringError):
        decompress(compressed[:cut], max_length=300)


@pytest.mark.parametrize("character", [" ", "/", "=", "_", ",", "é", "\ud800"])
def test_a_character_outside_the_alphabet_is_rejected(character: str) -> None:
    compressed = LZString.compressToEncodedURIComponent("0.5")
    for text in (compressed + character, character + compressed):
        with pytest.raises(LzStringError, match="alphabet"):
            decompress(text, max_length=300)


def test_characters_after_the_end_marker_are_ignored() -> None:
    assert decompress(LZString.compressToEncodedURIComponent("0.5,1") + "xyz", max_length=300) == "0.5,1"


def test_the_output_is_bounded() -> None:
    compressed = LZString.compressToEncodedURIComponent("0" * 301)
    assert len(decompress(compressed, max_length=301)) == 301
    with pytest.raises(LzStringError, match="longer than 300"):
        decompress(compressed, max_length=300)
