"""Plot the scorecard: quality against the cost of a usable response."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from typing import Any

from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.scorecard.scoring import ModelScore

_OTHER_COLOUR = "#555555"
_INK = "#222222"
_FAINT = "#8a8a8a"

# In inches. Long model names widen the figure; the axes keep their width.
_HEIGHT = 4.6
_USUAL_WIDTH = 8.4
_WIDTH_WITHOUT_LABELS = 4.6


def plot_scores(scores: Sequence[ModelScore]) -> bytes | None:
    """A PNG of some 40 kB; None if there is no model with a quality and a cost.

    Cost is on a logarithmic x axis, quality on the y axis. A line joins the efficient models.
    """
    points = [
        (score.cost_per_usable_usd * 1000, score.quality, score)
        for score in scores
        if score.cost_per_usable_usd and score.quality is not None
    ]
    if not points:
        return None
    # Importing matplotlib takes a second, so import it only when a plot is wanted.
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    # It logs messages about its own font cache.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    figure = Figure(figsize=(_USUAL_WIDTH, _HEIGHT), dpi=110, facecolor="white", layout="constrained")
    axes: Any = figure.add_subplot()
    best = sorted((cost, quality) for cost, quality, score in points if score.efficient)
    axes.plot(*zip(*best, strict=True), color=_FAINT, linewidth=1.2, zorder=1)
    for cost, quality, score in points:
        colour = _provider_colour(score.provider)
        fill = colour if score.efficient else "white"
        axes.scatter([cost], [quality], s=64, color=fill, edgecolors=colour, linewidths=1.8, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel("US dollars per 1,000 usable answers", color=_INK)
    axes.set_ylabel("quality", color=_INK)
    axes.set_title("Which models are worth their money", loc="left", color=_INK, fontsize=12)
    axes.text(
        0, 1.0, "filled: no model is as good for less", transform=axes.transAxes, color=_FAINT, fontsize=9, va="top"
    )
    axes.grid(True, which="major", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK)
    axes.xaxis.set_major_formatter(_dollars)
    axes.xaxis.set_minor_formatter(_some_dollars)
    labels = _label(axes, points)
    # The layout collapses, with a warning, where the labels leave no space for the axes.
    label_width = max(Text.get_window_extent(label).width for label in labels) / figure.dpi
    figure.set_size_inches(max(_USUAL_WIDTH, _WIDTH_WITHOUT_LABELS + label_width), _HEIGHT)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})  # pyright: ignore[reportUnknownMemberType]
    return picture.getvalue()


def _provider_colour(key: str) -> str:
    """The provider's colour in the catalogue; grey for a provider that is no longer in it."""
    provider = load_catalogue().providers.get(key)
    return _OTHER_COLOUR if provider is None else provider.colour


def _dollars(value: float, _: object = None) -> str:
    return f"${value:g}"


def _some_dollars(value: float, _: object = None) -> str:
    """Label only 2 and 5 between the powers of ten; more would not fit."""
    return _dollars(value) if f"{value:e}"[0] in "25" else ""


def _label(axes: Any, points: Sequence[tuple[float, float, ModelScore]]) -> list[Any]:
    """Put the names in a column on the right, each with a thin line to its point, so that they never overlap."""
    ordered = sorted(points, key=lambda point: point[1])
    heights = [quality for _, quality, _ in ordered]
    low, high = min(heights), max(heights)
    span = max(high - low, 0.02)
    axes.set_ylim(low - 0.12 * span, high + 0.12 * span)
    step = 1.24 * span / max(len(ordered), 12)
    places: list[float] = []
    for height in heights:
        places.append(max(height, places[-1] + step) if places else height)
    # Move labels that were pushed above the axes down again, with those below them.
    excess = places[-1] - (high + 0.12 * span)
    for number in range(len(places) - 1, -1, -1):
        limit = places[number + 1] - step if number + 1 < len(places) else places[number] - max(0.0, excess)
        places[number] = min(places[number], limit)
    return [
        axes.annotate(
            score.model,
            xy=(cost, quality),
            xytext=(1.02, place),
            textcoords=axes.get_yaxis_transform(),
            fontsize=8.5,
            color=_provider_colour(score.provider),
            fontweight="bold" if score.efficient else "normal",
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#cccccc", "linewidth": 0.7, "shrinkB": 5, "relpos": (0, 0.5)},
            annotation_clip=False,
        )
        for (cost, quality, score), place in zip(ordered, places, strict=True)
    ]
