"""From the answers and what is measured to `model_scorecard`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import duckdb
import numpy as np
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.scorecard.agreement import Ratings, alpha_of_all, alpha_with_others, efficient
from grabient_pipeline.warehouse import Warehouse, sql, transaction

# The tags that a refining model and a searcher meet first; what comes and goes behind them matters little.
_TOP = {"top_mood": 5, "top_style": 3, "top_associations": 10}

# As numbered in count_answers.sql.
_ATTRIBUTE_FIELDS = (4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class ModelScore:
    """A row of `model_scorecard`: shares are from 0 to 1, costs US dollars; None where there is nothing to tell."""

    provider: str
    model: str
    prompt_version: str
    requests: int
    usable: int
    usable_share: float | None
    failure_reasons: tuple[tuple[str, int], ...]
    temperature_agreement: float | None
    contrast_agreement: float | None
    brightness_agreement: float | None
    saturation_agreement: float | None
    measured_agreement: float | None
    alpha_with_others: float | None
    alpha_without: float | None
    alpha_of_all: float | None
    mood_overlap: float | None
    style_overlap: float | None
    associations_overlap: float | None
    open_overlap: float | None
    winners_changed: float | None
    top_tags_changed: float | None
    quality: float | None
    efficient: bool
    input_tokens: int
    output_tokens: int
    cost_usd: float
    cost_per_usable_usd: float | None
    median_hours: float | None
    p90_hours: float | None

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.model}"


def score_models(warehouse: Warehouse) -> list[ModelScore]:
    """Score every tagging model over its answers to the newest prompt; the best quality first."""
    with warehouse.connect() as connection, transaction(connection):
        scores = _scores(connection)
        connection.register("scores", _frame(scores))
        connection.execute("DELETE FROM model_scorecard")
        connection.execute("INSERT INTO model_scorecard BY NAME SELECT *, now() AS scored_at FROM scores")
        connection.unregister("scores")
        crash_point("score.writing")
    return scores


def read_scores(connection: duckdb.DuckDBPyConnection) -> list[ModelScore]:
    """The scorecard as it was last written, the best quality first."""
    rows = connection.execute(sql(__package__, "scorecard")).fetchall()
    names = ModelScore.__dataclass_fields__
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for fields in found:
        fields["failure_reasons"] = tuple((each["reason"], each["requests"]) for each in fields["failure_reasons"])
    return [ModelScore(**fields) for fields in found]


def _scores(connection: duckdb.DuckDBPyConnection) -> list[ModelScore]:
    versions = connection.execute(sql(__package__, "newest_version")).fetchall()
    if not versions:
        return []
    version = {"prompt_version": versions[0][0]}

    def by_model(name: str) -> dict[tuple[str, str], Sequence[Any]]:
        return {
            (provider, model): rest
            for provider, model, *rest in connection.execute(sql(__package__, name), version).fetchall()
        }

    connection.execute(sql("grabient_pipeline.consensus", "count_answers"))
    connection.execute(sql(__package__, "count_by_model"))
    connection.execute(sql(__package__, "votes"), version)
    connection.execute(sql(__package__, "totals"))
    requests, times, measured = map(by_model, ("requests", "times", "measured_agreement"))
    overlaps = {
        (provider, model): rest for provider, model, *rest in connection.execute(sql(__package__, "overlap")).fetchall()
    }
    places = dict(connection.execute("SELECT (provider, model), place FROM counted_models").fetchall())
    order = sorted(places, key=places.__getitem__)
    attributes = _ratings(connection, [places[key] for key in order])
    with_others = dict(zip(order, alpha_with_others(attributes), strict=True))
    of_all = alpha_of_all(attributes)
    without = {key: alpha_of_all(attributes, number) for number, key in enumerate(order)}
    reasons: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for provider, model, reason, count in connection.execute(sql(__package__, "failures"), version).fetchall():
        reasons.setdefault((provider, model), []).append((reason, count))

    scores: list[ModelScore] = []
    for key, (asked, usable, tokens_in, tokens_out, cost) in requests.items():
        temperature, contrast, brightness, saturation = agreement = measured.get(key, [None] * 4)
        mood, style, associations = overlap = overlaps.get(key, [None] * 3)
        winners_changed = top_tags_changed = None
        if key in places and len(order) > 1:
            ((winners_changed, top_tags_changed),) = connection.execute(
                sql(__package__, "without_model"), {"place": places[key], **_TOP}
            ).fetchall()
        median_hours, p90_hours = times.get(key, (None, None))
        scores.append(
            ModelScore(
                provider=key[0],
                model=key[1],
                prompt_version=version["prompt_version"],
                requests=asked,
                usable=usable,
                usable_share=usable / asked if asked else None,
                failure_reasons=tuple(reasons.get(key, ())),
                temperature_agreement=temperature,
                contrast_agreement=contrast,
                brightness_agreement=brightness,
                saturation_agreement=saturation,
                measured_agreement=_mean(agreement),
                alpha_with_others=with_others.get(key),
                alpha_without=without.get(key),
                alpha_of_all=of_all,
                mood_overlap=mood,
                style_overlap=style,
                associations_overlap=associations,
                open_overlap=_mean(overlap),
                winners_changed=winners_changed,
                top_tags_changed=top_tags_changed,
                # With nobody to compare it with, a model is as good as it measures up.
                quality=_mean([_mean(agreement), _mean(overlap)]),
                efficient=False,
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cost_usd=cost,
                cost_per_usable_usd=cost / usable if usable else None,
                median_hours=median_hours,
                p90_hours=p90_hours,
            )
        )
    return _ranked(scores)


def _ranked(scores: list[ModelScore]) -> list[ModelScore]:
    best = efficient([score.cost_per_usable_usd for score in scores], [score.quality for score in scores])
    scores = [replace(score, efficient=verdict) for score, verdict in zip(scores, best, strict=True)]
    return sorted(scores, key=lambda score: (-(score.quality or 0), score.cost_per_usable_usd or 0, score.name))


def _ratings(connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> list[Ratings]:
    """The ratings of each attribute: a row a model, in the order of the places."""
    said = connection.sql(sql(__package__, "ratings")).pl()
    rows = {place: number for number, place in enumerate(places)}
    found: list[Ratings] = []
    for field in _ATTRIBUTE_FIELDS:
        of_field = said.filter(pl.col("field") == field)
        columns = of_field["palette"].rank("dense").to_numpy().astype(np.int64) - 1
        codes = of_field["tag"].rank("dense").to_numpy().astype(np.int64) - 1
        ratings: Ratings = np.full((len(places), int(columns.max(initial=-1)) + 1), -1, dtype=np.int8)
        ratings[[rows[place] for place in of_field["place"].to_list()], columns] = codes
        found.append(ratings)
    return found


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _frame(scores: Sequence[ModelScore]) -> pl.DataFrame:
    kinds = {"str": pl.String, "int": pl.Int64, "bool": pl.Boolean}
    schema: dict[str, Any] = {
        name: kinds.get(str(field.type), pl.Float64) for name, field in ModelScore.__dataclass_fields__.items()
    }
    schema["failure_reasons"] = pl.List(pl.Struct({"reason": pl.String, "requests": pl.Int64}))
    rows = [
        {
            **asdict(score),
            "failure_reasons": [{"reason": reason, "requests": count} for reason, count in score.failure_reasons],
        }
        for score in scores
    ]
    return pl.DataFrame(rows, schema=schema)
