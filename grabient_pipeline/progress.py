"""How long work tells how far it is, whoever listens: a terminal's bar, plain lines, a log, or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of tasks by name; a task ends when its count reaches its total."""

    def advance(self, task: str, count: int, total: int) -> None:
        """`count` more of `total` have been done."""
        ...

    def note(self, line: str) -> None:
        """Say something once, beside the progress."""
        ...


class SilentProgress:
    """Nobody listens."""

    def advance(self, task: str, count: int, total: int) -> None:
        del task, count, total

    def note(self, line: str) -> None:
        del line


SILENT = SilentProgress()
