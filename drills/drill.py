"""The definition of a drill: its name, the providers it involves, and what it does in its environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drills.environment import PROVIDERS, DrillEnvironment


@dataclass(frozen=True)
class Drill:
    """One failure scenario.

    Attributes:
        row: the row of the report that counts this drill; several drills may share one.
        name: unique within the row.
        run: injects the failure. Afterwards plain commands run until nothing is pending.
        providers: the providers involved.
        stage: the contents of the data directory at the start and the stage to submit: "tagging", "refinement", or
            "empty" for a drill that starts without a data directory.
        margin_seconds: how long a lost batch is looked for before it is released.
        analyses: the analysis count.
    """

    row: str
    name: str
    run: Callable[[DrillEnvironment], None]
    providers: tuple[str, ...] = PROVIDERS
    stage: str = "tagging"
    margin_seconds: float = 0.0
    analyses: int = 2
