"""How many requests go into a batch: what its provider accepts, a share of the queue, and the room there is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from grabient_pipeline.batches.room import Room
from grabient_pipeline.providers.catalogue import Provider

# Room for the frame of a file, such as the brackets round Anthropic's list.
FRAME_BYTES: Final = 1024
# Where a model has batches already, less than this share of a piece is not worth another one: there will be more room.
_LEAST_SHARE: Final = 0.5

Amounts = np.ndarray[tuple[int], Any]


def most_in_piece(provider: Provider, room: Room, *, tokens: float, line_bytes: float = 0.0) -> int:
    """Return how many requests a batch can have at most, at least one.

    Args:
        tokens: input tokens of a request.
        line_bytes: its size in the file; 0 if that is not known.
    """
    limits = [provider.max_requests]
    if line_bytes:
        limits.append(math.floor((provider.max_bytes - FRAME_BYTES) / line_bytes))
    if room.piece_requests is not None:
        limits.append(room.piece_requests)
    if room.piece_tokens is not None:
        limits.append(math.floor(room.piece_tokens / tokens))
    return max(1, min(limits))


def admitted(room: Room, size: int, tokens_fit: int | None) -> int:
    """Return how many requests of a piece there is room for; 0 if so few that it is better to wait for more.

    Args:
        size: of the piece that is wanted.
        tokens_fit: how many requests the free tokens are enough for; None if there is no limit.
    """
    free = min(most for most in (size, tokens_fit, room.free_requests) if most is not None)
    return free if room.is_idle or free >= size * _LEAST_SHARE else 0


def even_piece(total: int, full: int) -> int:
    """Return the size of a piece if `total` requests are cut into as few pieces of at most `full` as possible."""
    return math.ceil(total / math.ceil(total / full))


def fitting(amounts: Amounts, most: float) -> int:
    """Return how many amounts from the first on fit together."""
    return int(np.searchsorted(np.cumsum(amounts, dtype=np.float64), most, side="right"))


def piece_size(sizes: Sequence[tuple[Amounts, float | None]], total: int, max_requests: int) -> int:
    """Return how many of the next requests make up a batch; at least one, which the provider may then refuse.

    Batches are about equally large where the limits allow it: then they take about as long, and one is stored while the
    next is read.

    Args:
        sizes: by kind (bytes, tokens) the size of each of the next requests, at least one, and the most of a batch.
        total: how many requests are missing in all.
    """
    full = min(max_requests, *(fitting(amounts, most) for amounts, most in sizes if most is not None))
    if full < 1 or total <= full:
        return max(1, full)
    return even_piece(total, full)
