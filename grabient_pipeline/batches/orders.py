"""What a person requests, and the order that it becomes once settings and catalogue have filled the gaps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, get_args

from grabient_pipeline.batches.order_ledger import WhenLate
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.panel import resolve_refiner
from grabient_pipeline.providers.selection import Selection, select_models
from grabient_pipeline.settings import Settings

MAX_ANALYSIS_COUNT = 20
# 30 days: no provider keeps results for longer.
MAX_DEADLINE_HOURS: Final = 720


@dataclass(frozen=True)
class BackfillRequest:
    """What a person requests of a backfill; what is None or empty comes from the settings.

    `models`: `provider/model` names; by default the panel. `providers`: only models of these.
    `analysis_count`: responses per palette and model. `limit`: the most palettes per model. `max_cost_usd`: the cap in
    US dollars. `include_retired`: by default only on the sandbox. `direct`: by ordinary calls, at full price; by
    default only the providers and models named in GRABIENT_DIRECT. `ignore_unknown`: submit although the providers have
    batches that the ledger lacks. `deadline_hours`: after so long a batch is late and is cancelled; `when_late`: what
    becomes of what it did not answer. `anew`: also request what retired models answered in the same place, and what was
    answered to an older prompt. `with_image`: attach the picture of each palette, which asks everything once more of
    the models that take pictures.
    """

    models: Sequence[str] = ()
    providers: Sequence[str] = ()
    analysis_count: int | None = None
    limit: int | None = None
    max_cost_usd: float | None = None
    include_retired: bool | None = None
    dry_run: bool = False
    direct: bool = False
    ignore_unknown: bool = False
    deadline_hours: float | None = None
    when_late: WhenLate | None = None
    anew: bool = False
    with_image: bool = False


@dataclass(frozen=True)
class RefinementRequest:
    """What a person requests of a refinement; what is None comes from the settings.

    `model`: as `provider/model`. `stale`: also refine again what was refined from an older consensus or to another
    prompt, which is paid for again. `anew`: also refine again what another model refined. `now`: also refine palettes
    with outstanding answers, which will make them stale. `limit`: the most palettes. `max_cost_usd`: the cap in US
    dollars. `ignore_unknown`, `deadline_hours`, `when_late`: as in `BackfillRequest`.
    """

    model: str | None = None
    stale: bool = False
    now: bool = False
    limit: int | None = None
    max_cost_usd: float | None = None
    include_retired: bool | None = None
    dry_run: bool = False
    direct: bool = False
    ignore_unknown: bool = False
    deadline_hours: float | None = None
    when_late: WhenLate | None = None
    anew: bool = False


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """A request with every gap filled: which models, how often, by which route, and for how much at most.

    `limit`: the most palettes per model. `max_cost_usd`: the cap in US dollars. `direct`: providers and models
    (`provider/model`) to reach by ordinary calls. `ignore_unknown`: as in `BackfillRequest`. `new_ledger_notice`: what
    to say before the first batch of a ledger. `include_retired`: whether models are asked that their provider retires
    meanwhile. `deadline_hours`, `when_late`, `anew`: as in `BackfillRequest`. `places`: the places that models have
    taken from others, by `provider/model`.
    """

    models: tuple[Model, ...]
    analysis_count: int
    max_cost_usd: float
    limit: int | None = None
    dry_run: bool = False
    direct: frozenset[str] = frozenset()
    ignore_unknown: bool = False
    new_ledger_notice: str | None = None
    include_retired: bool = False
    deadline_hours: float | None = None
    when_late: WhenLate | None = None
    anew: bool = False
    places: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        check_analysis_count(self.analysis_count)
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"the limit is {self.limit}; it must be 1 palette or more")
        if not self.max_cost_usd >= 0:
            raise SettingsError(f"the cost cap is {self.max_cost_usd}; it must be 0 US dollars or more")
        _check_deadline(self.deadline_hours, self.when_late)

    def route(self, model: Model) -> Route:
        """Return how a model is reached: by its provider's batches, or by ordinary calls."""
        direct = bool({model.name, model.provider} & self.direct)
        return Route(model.provider, "direct" if direct else "batch")

    def place(self, model: Model) -> str | None:
        """Return the model whose place another one has taken, if it counts; None if it has taken none."""
        return None if self.anew else self.places.get(model.name)

    def late_route(self, model: Model) -> Route | None:
        """Return how what late batches of a model do not answer is sent, if otherwise than the rest."""
        is_direct = self.when_late == "direct" and self.route(model).access == "batch"
        return Route(model.provider, "direct") if is_direct else None


@dataclass(frozen=True, slots=True)
class ResolvedOrder:
    """An order, and the models that it leaves out, each with its reason in one line."""

    order: BackfillOrder
    left_out: tuple[str, ...]


def check_analysis_count(count: int) -> int:
    """Return the count if it may be used.

    Raises:
        SettingsError: it is not from 1 to 20.
    """
    if not 1 <= count <= MAX_ANALYSIS_COUNT:
        raise SettingsError(f"the analysis count is {count}; it must be a whole number from 1 to {MAX_ANALYSIS_COUNT}")
    return count


def resolve_backfill(
    request: BackfillRequest,
    settings: Settings,
    providers: Collection[str],
    analysis_count: int,
    panel: Sequence[str] | None = None,
) -> ResolvedOrder:
    """Fill the gaps of a request.

    Args:
        providers: those to order from; models of others are left out.
        analysis_count: the setting in the database.
        panel: the models of the panel that a person chose, as `provider/model`; None is the default panel.

    Raises:
        UnknownModelError: a model or provider that the catalogue does not have.
        SettingsError: a count, limit or cap that cannot be used.
    """
    include_retired = settings.sandbox if request.include_retired is None else request.include_retired
    selection = select_models(
        request.models, request.providers, include_retired=include_retired, keys=providers, panel=panel
    )
    if request.with_image:
        selection = _taking_images(selection)
    order = BackfillOrder(
        models=selection.models,
        analysis_count=request.analysis_count if request.analysis_count is not None else analysis_count,
        max_cost_usd=settings.max_cost_usd if request.max_cost_usd is None else request.max_cost_usd,
        limit=request.limit,
        dry_run=request.dry_run,
        direct=_direct(request.direct, settings, selection),
        ignore_unknown=request.ignore_unknown,
        new_ledger_notice=settings.new_ledger_notice,
        include_retired=include_retired,
        deadline_hours=request.deadline_hours,
        when_late=request.when_late or (None if request.deadline_hours is None else "again"),
        anew=request.anew,
        places=selection.places,
    )
    return ResolvedOrder(order, selection.left_out)


def resolve_refinement(
    request: RefinementRequest, settings: Settings, providers: Collection[str]
) -> ResolvedOrder | None:
    """Fill the gaps of a request; None if refinement is off. Raises what `resolve_backfill` raises."""
    model = request.model or settings.refinement_model
    if model is None:
        return None
    include_retired = settings.sandbox if request.include_retired is None else request.include_retired
    if request.model is None and not include_retired:
        model = resolve_refiner(model).name
    backfill = BackfillRequest(
        models=[model],
        limit=request.limit,
        max_cost_usd=request.max_cost_usd,
        include_retired=request.include_retired,
        dry_run=request.dry_run,
        direct=request.direct,
        ignore_unknown=request.ignore_unknown,
        deadline_hours=request.deadline_hours,
        when_late=request.when_late,
        anew=request.anew,
    )
    return resolve_backfill(backfill, settings, providers, analysis_count=1)


def _taking_images(selection: Selection) -> Selection:
    """Return the selection without the models that take no pictures; one line names them all."""
    blind = [model.name for model in selection.models if not model.takes_images]
    if not blind:
        return selection
    line = f"{pluralize(len(blind), 'model takes', 'models take')} no pictures and "
    line += f"{'is' if len(blind) == 1 else 'are'} left out: {', '.join(blind)}"
    models = tuple(model for model in selection.models if model.takes_images)
    return replace(selection, models=models, left_out=(*selection.left_out, line))


def _check_deadline(hours: float | None, when_late: str | None) -> None:
    """Raise `SettingsError` for a deadline, or a choice of what happens then, that cannot be used."""
    if when_late is not None and when_late not in get_args(WhenLate):
        raise SettingsError(f"what happens to late requests is {when_late!r}; it must be direct, again or leave")
    if when_late is not None and hours is None:
        raise SettingsError("what happens to late requests is set (--then, when_late), and no deadline is (--deadline)")
    if hours is not None and not 0 < hours <= MAX_DEADLINE_HOURS:
        raise SettingsError(
            f"the deadline is {hours:g} hours; it must be more than 0 and at most {MAX_DEADLINE_HOURS} (30 days)"
        )


def as_estimate(order: BackfillOrder) -> BackfillOrder:
    """Return the same order without its limit, as a dry run."""
    return replace(order, limit=None, dry_run=True)


def _direct(every: bool, settings: Settings, selection: Selection) -> frozenset[str]:
    """What to reach by ordinary calls. Raises `UnknownModelError` for a name that is neither provider nor model."""
    for name in settings.direct:
        if name not in load_catalogue().providers:
            load_catalogue().model(name)
    return frozenset(model.name for model in selection.models) if every else settings.direct
