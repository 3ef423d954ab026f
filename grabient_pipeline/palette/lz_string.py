"""A strict decoder of lz-string's URI-safe form, the encoding of the oldest seeds.

lz-string is an LZ78 variant. The text is a stream of bits, six per character, most significant first; a code is read
least significant bit first. Code 0 announces a new 8-bit character, 1 a new 16-bit one, 2 the end; every other code
refers to an entry of the dictionary, which grows by one entry per code. There is no encoder, because new seeds are not
written in this form.
"""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-$"
# The 65th character, `$`, is padding in other forms of lz-string; its value is 64, whose six low bits are zero.
_BITS = {character: f"{value & 63:06b}" for value, character in enumerate(_ALPHABET)}

_NEW_BYTE = 0
_NEW_UTF16_UNIT = 1
_END = 2
_FIRST_ENTRY = 3


class LzStringError(ValueError):
    """The text is not a complete lz-string stream."""


class _BitStream:
    def __init__(self, text: str) -> None:
        try:
            bits = "".join([_BITS[character] for character in text])
        except KeyError as error:
            raise LzStringError(f"{error.args[0]!r} is not in the lz-string alphabet") from None
        self._bits = int(bits[::-1] or "0", 2)
        self._length = len(bits)
        self._position = 0

    def read(self, width: int) -> int:
        # A compressor always leaves at least one bit of padding, so a stream read to the last bit was truncated.
        if self._position + width >= self._length:
            raise LzStringError("the text ends before its end marker")
        value = (self._bits >> self._position) & ((1 << width) - 1)
        self._position += width
        return value


def decompress(text: str, max_length: int) -> str:
    """Return the text that was passed to lz-string's `compressToEncodedURIComponent`.

    Characters of the alphabet after the end marker are ignored, as in every implementation.

    Raises:
        LzStringError: a character outside the alphabet, a truncated or invalid stream, or an output longer than
            `max_length`, which is raised as soon as it gets too long.
    """
    stream = _BitStream(text)
    entries: list[str] = []
    output: list[str] = []
    output_length = 0
    previous = ""

    while True:
        # A code is as wide as the number of the next free entry.
        code = stream.read((_FIRST_ENTRY + len(entries)).bit_length())
        if code == _END:
            return "".join(output)
        if code in (_NEW_BYTE, _NEW_UTF16_UNIT):
            entries.append(chr(stream.read(8 if code == _NEW_BYTE else 16)))
            entry = entries[-1]
        elif code - _FIRST_ENTRY < len(entries):
            entry = entries[code - _FIRST_ENTRY]
        elif previous and code - _FIRST_ENTRY == len(entries):
            entry = previous + previous[0]
        else:
            raise LzStringError("a code refers to nothing")

        output.append(entry)
        output_length += len(entry)
        if output_length > max_length:
            raise LzStringError(f"the text is longer than {max_length} characters when decompressed")
        if previous:
            entries.append(previous + entry[0])
        previous = entry
