"""How the simulated models differ from each other. The characters themselves stand with the models of each provider."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Character:
    """What makes one model's answers different from another's; a model without one of its own has the defaults."""

    # Share of the measured attributes that it gets right.
    accuracy: float = 0.85
    # Position of its word counts within the allowed range, from 0 to 1.
    breadth: float = 0.5
    # How far its preferences reorder the best matching words.
    taste: float = 6.0
    # Probability of accepting the next word; a low value makes its analyses differ more.
    focus: float = 0.7
    favourites: tuple[str, ...] = ()
    # Whether it indents its JSON.
    indented: bool = False
    # Share of answers with each kind of defect (see `defects.DEFECTS`).
    defects: dict[str, float] = field(default_factory=dict[str, float])
