"""Reporting progress: long work says how far it is, to a terminal, a log, or nothing at all."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of named tasks; a task ends when its count reaches its total."""

    def advance(self, task: str, count: int, total: int) -> None:
        """Report that `count` more of `total` are done."""
        ...

    def note(self, line: str) -> None:
        """Say something once, beside the progress."""
        ...


class SilentProgress:
    """Reports nothing."""

    def advance(self, task: str, count: int, total: int) -> None:
        """Do nothing."""
        del task, count, total

    def note(self, line: str) -> None:
        """Do nothing."""
        del line


SILENT = SilentProgress()
