"""Computes `model_scorecard` from the answers, the measured attributes and the costs.

Counting is done in SQL. The statistics of agreement are in `agreement.py`, the plot in `plot.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl

from grabient_pipeline.consensus import tabulate_answers
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.scorecard.agreement import Ratings, alpha_of_all, alpha_with_others, efficient
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

# How many top tags of a field are compared with and without a model: refinement and search use these first, and the
# order of rarer tags matters little. Of an attribute only the winner counts.
_TOP_TAGS: Final = {"mood": 5, "style": 3, **dict.fromkeys(ATTRIBUTES, 1), "associations": 10}

# A model, as (provider, model).
ModelKey = tuple[str, str]
# Values for ModelScore, by field name.
Measures = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScore:
    """A row of `model_scorecard`: shares are from 0 to 1, costs in US dollars; None where a value is undefined.

    Cached and reasoning tokens are those that the responses tell, and None if none does.
    """

    provider: str
    model: str
    prompt_version: str
    requests: int
    usable: int
    usable_share: float | None = None
    failure_reasons: tuple[tuple[str, int], ...] = ()
    temperature_agreement: float | None = None
    contrast_agreement: float | None = None
    brightness_agreement: float | None = None
    saturation_agreement: float | None = None
    measured_agreement: float | None = None
    alpha_with_others: float | None = None
    alpha_without: float | None = None
    alpha_of_all: float | None = None
    mood_overlap: float | None = None
    style_overlap: float | None = None
    associations_overlap: float | None = None
    open_overlap: float | None = None
    winners_changed: float | None = None
    top_tags_changed: float | None = None
    quality: float | None = None
    efficient: bool = False
    input_tokens: int
    output_tokens: int
    cost_usd: float
    cost_per_usable_usd: float | None = None
    median_hours: float | None = None
    p90_hours: float | None = None
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None
    # The model whose place it has taken, as provider/model.
    place: str | None = None

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider}/{self.model}"


def score_models(warehouse: Warehouse) -> list[ModelScore]:
    """Score every tagging model on its answers to the newest prompt, store the scores, and return the best first.

    A prompt with pictures is scored only if a person chose it to count, or if there is no other.
    """
    with warehouse.connect() as connection, transaction(connection):
        version = _newest_version(connection)
        scores = _score(connection, version) if version is not None else []
        with registered(connection, "scores", _score_frame(scores)):
            connection.execute("DELETE FROM model_scorecard")
            connection.execute("INSERT INTO model_scorecard BY NAME SELECT *, now() AS scored_at FROM scores")
        crash_point("score.writing")
    return scores


def compare_prompts(warehouse: Warehouse, versions: Sequence[str]) -> dict[str, list[ModelScore]]:
    """Score every tagging model on its answers to each of these prompts, the best first; nothing is stored.

    With several prompts, only the palettes and models count that have answers to all of them: otherwise a trial on a
    few palettes, or with a few models, would be compared with everything.
    """
    distinct = list(dict.fromkeys(versions))
    with warehouse.connect() as connection:
        if len(distinct) > 1:
            connection.execute(sql(__package__, "answered_by_all"), {"versions": distinct})
            connection.execute(sql(__package__, "hide_others"))
        try:
            return {version: _score(connection, version) for version in distinct}
        finally:
            if len(distinct) > 1:
                connection.execute("DROP TABLE temp.palette_tags; DROP TABLE temp.tag_requests")


def comparable_versions(warehouse: Warehouse) -> list[str]:
    """Return the newest prompt with answers that has no pictures, then that which has; either may be missing."""
    with warehouse.connect() as connection:
        return [version for (version,) in connection.execute(sql(__package__, "newest_of_each")).fetchall()]


def read_scores(connection: duckdb.DuckDBPyConnection) -> list[ModelScore]:
    """Read the stored scorecard, best quality first."""
    rows = connection.execute(sql(__package__, "scorecard")).fetchall()
    names = ModelScore.__dataclass_fields__
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for fields in found:
        fields["failure_reasons"] = tuple((each["reason"], each["requests"]) for each in fields["failure_reasons"])
    return [ModelScore(**fields) for fields in found]


def read_places(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the models that have answered in the place of another one, and which that is, as `provider/model`."""
    rows = connection.execute("SELECT provider || '/' || model, place FROM model_places").fetchall()
    return dict(rows)


def _newest_version(connection: duckdb.DuckDBPyConnection) -> str | None:
    row = connection.execute(sql(__package__, "newest_version")).fetchone()
    return row[0] if row else None


def _score(connection: duckdb.DuckDBPyConnection, prompt_version: str) -> list[ModelScore]:
    _tabulate_votes(connection, prompt_version)
    places = _places(connection)
    ratings = _ratings(connection, list(places.values()))
    # Models without a usable answer have only the measures of `_usage`.
    measures = (
        _agreement(connection, prompt_version),
        _overlap(connection),
        _reliability(list(places), ratings),
        _influence(connection, places),
        _by_model(connection, "times", {"prompt_version": prompt_version}),
    )
    alpha = alpha_of_all(ratings)
    taken = read_places(connection)
    scores: list[ModelScore] = []
    for key, usage in _usage(connection, prompt_version).items():
        values: dict[str, Any] = dict(usage)
        for each in measures:
            values.update(each.get(key, {}))
        # A single model has no overlap with others: its quality is then its measured agreement.
        values["quality"] = _mean([values.get("measured_agreement"), values.get("open_overlap")])
        provider, model = key
        values["place"] = taken.get(f"{provider}/{model}")
        scores.append(
            ModelScore(provider=provider, model=model, prompt_version=prompt_version, alpha_of_all=alpha, **values)
        )
    return _rank(scores)


def _tabulate_votes(connection: duckdb.DuckDBPyConnection, prompt_version: str) -> None:
    """Create the temporary tables `scored_votes` and `scored_totals`."""
    tabulate_answers(connection)
    connection.execute(sql(__package__, "count_by_model"))
    connection.execute(sql(__package__, "votes"), {"prompt_version": prompt_version})
    connection.execute(sql(__package__, "totals"))


def _places(connection: duckdb.DuckDBPyConnection) -> dict[ModelKey, int]:
    """The models with usable answers and their numbers in the temporary tables, in the order of the numbers."""
    rows = connection.execute("SELECT provider, model, place FROM counted_models ORDER BY place").fetchall()
    return {(provider, model): place for provider, model, place in rows}


def _by_model(
    connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, object] | None = None
) -> dict[ModelKey, Measures]:
    """Run a statement that returns provider, model and fields of ModelScore."""
    result = connection.execute(sql(__package__, name), parameters)
    columns = [column[0] for column in result.description][2:]
    return {
        (provider, model): dict(zip(columns, values, strict=True)) for provider, model, *values in result.fetchall()
    }


def _usage(connection: duckdb.DuckDBPyConnection, prompt_version: str) -> dict[ModelKey, Measures]:
    """The requests of each model, how many were usable, why the others were not, and what they cost."""
    parameters = {"prompt_version": prompt_version}
    reasons: dict[ModelKey, list[tuple[str, int]]] = {}
    for provider, model, reason, count in connection.execute(sql(__package__, "failures"), parameters).fetchall():
        reasons.setdefault((provider, model), []).append((reason, count))
    return {
        key: {
            **usage,
            "usable_share": usage["usable"] / usage["requests"] if usage["requests"] else None,
            "failure_reasons": tuple(reasons.get(key, ())),
            "cost_per_usable_usd": usage["cost_usd"] / usage["usable"] if usage["usable"] else None,
        }
        for key, usage in _by_model(connection, "requests", parameters).items()
    }


def _agreement(connection: duckdb.DuckDBPyConnection, prompt_version: str) -> dict[ModelKey, Measures]:
    """How often the attributes of an answer equal the measured ones, by attribute and on average."""
    by_model = _by_model(connection, "measured_agreement", {"prompt_version": prompt_version})
    return {key: {**shares, "measured_agreement": _mean(shares.values())} for key, shares in by_model.items()}


def _overlap(connection: duckdb.DuckDBPyConnection) -> dict[ModelKey, Measures]:
    """How many of the other models mention the same tags, by open field and on average."""
    by_model = _by_model(connection, "overlap")
    return {key: {**shares, "open_overlap": _mean(shares.values())} for key, shares in by_model.items()}


def _reliability(models: Sequence[ModelKey], ratings: Sequence[Ratings]) -> dict[ModelKey, Measures]:
    """Krippendorff's alpha of each model with the others, and of all models without it."""
    return {
        key: {"alpha_with_others": with_others, "alpha_without": alpha_of_all(ratings, without=number)}
        for number, (key, with_others) in enumerate(zip(models, alpha_with_others(ratings), strict=True))
    }


def _influence(connection: duckdb.DuckDBPyConnection, places: Mapping[ModelKey, int]) -> dict[ModelKey, Measures]:
    """How much of the consensus changes without each model; empty for a single model."""
    if len(places) < 2:
        return {}
    parameters = {"fields": list(_TOP_TAGS), "tops": list(_TOP_TAGS.values()), "attributes": list(ATTRIBUTES)}
    influence: dict[ModelKey, Measures] = {}
    for key, place in places.items():
        ((winners_changed, top_tags_changed),) = connection.execute(
            sql(__package__, "without_model"), {"place": place, **parameters}
        ).fetchall()
        influence[key] = {"winners_changed": winners_changed, "top_tags_changed": top_tags_changed}
    return influence


def _ratings(connection: duckdb.DuckDBPyConnection, places: Sequence[int]) -> list[Ratings]:
    """The ratings of each attribute, with one row per model in the order of `places`."""
    ratings = connection.sql(sql(__package__, "ratings"), params={"attributes": list(ATTRIBUTES)}).pl()
    rows = {place: number for number, place in enumerate(places)}
    found: list[Ratings] = []
    for attribute in ATTRIBUTES:
        of_attribute = ratings.filter(pl.col("field") == attribute)
        columns = of_attribute["palette"].rank("dense").to_numpy().astype(np.int64) - 1
        codes = of_attribute["tag"].rank("dense").to_numpy().astype(np.int64) - 1
        matrix: Ratings = np.full((len(places), int(columns.max(initial=-1)) + 1), -1, dtype=np.int8)
        matrix[[rows[place] for place in of_attribute["place"].to_list()], columns] = codes
        found.append(matrix)
    return found


def _rank(scores: Sequence[ModelScore]) -> list[ModelScore]:
    """Mark the efficient models, and sort by quality, then cost, then name."""
    verdicts = efficient([score.cost_per_usable_usd for score in scores], [score.quality for score in scores])
    judged = [replace(score, efficient=verdict) for score, verdict in zip(scores, verdicts, strict=True)]
    return sorted(judged, key=lambda score: (-(score.quality or 0), score.cost_per_usable_usd or 0, score.name))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _score_frame(scores: Sequence[ModelScore]) -> pl.DataFrame:
    kinds = {"str": pl.String, "int": pl.Int64, "bool": pl.Boolean}
    schema: dict[str, Any] = {
        name: kinds.get(str(field.type).removesuffix(" | None"), pl.Float64)
        for name, field in ModelScore.__dataclass_fields__.items()
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
