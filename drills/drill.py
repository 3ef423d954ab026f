"""What a drill is: a name, whom it is about, and what it does on its ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drills.ground import PROVIDERS, Ground


@dataclass(frozen=True)
class Drill:
    """One thing that goes wrong.

    `row`: the line of the table that it is added to; a line may be that of many drills. `stage`: what the data
    directory has when it begins, and what is asked for; "empty" if there is no data directory yet. `settled`: whether
    plain commands go on afterwards and everything has to be settled then, which is the rule.
    """

    row: str
    name: str
    run: Callable[[Ground], None]
    providers: tuple[str, ...] = PROVIDERS
    stage: str = "tagging"
    margin_seconds: float = 0.0
    analyses: int = 2
    settled: bool = True
