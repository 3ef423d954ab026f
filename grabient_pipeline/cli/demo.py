"""`grabient demo`: the whole way on this machine, with no key, no network and no cost."""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.cli.gallery import open_in_browser
from grabient_pipeline.cli.status import named_models
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.status import ModelSummary, Status
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.progress import Progress

_BATCH_SECONDS = 1.0
_POLL_SECONDS = 0.3
# The sandbox runs beside us: if it cannot be asked for so long, it is gone.
_BLIND_POLLS = 20

_SEARCHES = ("calm autumn forest", "#1e90ff", "teal and gold art deco")
_FOUND = 3

_QUERY = (
    "SELECT name, model, tags.mood, tags.associations FROM palette_tags JOIN palettes USING (seed) "
    "WHERE tags IS NOT NULL ORDER BY hash(custom_id) LIMIT 10"
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog="Example: grabient demo --palettes 20 --analysis-count 2")(demo)


def demo(
    palettes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first N sample palettes; otherwise all 182.")
    ] = None,
    analysis_count: Annotated[
        int, typer.Option(metavar="N", help="How often each model describes each palette, from 1 to 20.")
    ] = 8,
    open: Annotated[bool, typer.Option("--open", help="At the end, open the gallery in the browser.")] = False,
    json: Json = False,
) -> None:
    """Go the whole way on a sandbox. No key, no network, no cost; writes only below data/demo, and starts afresh."""
    from grabient_pipeline.batches.orders import check_analysis_count
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.cli.data_directory import in_use, start_afresh
    from grabient_pipeline.cli.sandbox import beside, past_proxies
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.sandbox import SandboxServer
    from grabient_pipeline.settings import Settings

    check_analysis_count(analysis_count)
    settings = Settings.from_environment().demo()
    os.environ.update(past_proxies())
    with in_use(settings):
        start_afresh(settings)
        tour = _Tour(analysis_count, palettes)
        with beside(SandboxServer(where="process", batch_seconds=_BATCH_SECONDS)) as sandbox:
            # Of the person's own environment nothing goes in: no key of theirs is used here, and no address.
            pipeline = Pipeline(settings, sandbox.environment())
            with terminal.progress() as progress:
                tour.go(pipeline, progress)
        status = pipeline.status()
    if json:
        terminal.say_json(_facts(pipeline, tour, status))
    else:
        _say_summary(pipeline, tour, status)
    if open:
        open_in_browser(settings.gallery)


@dataclass
class _Tour:
    """The steps of the demo, in order, and how long each took in seconds."""

    analysis_count: int
    palettes: int | None
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    submitted: BackfillReport | None = None

    def go(self, pipeline: Pipeline, progress: Progress) -> None:
        from grabient_pipeline.providers.catalogue import load_catalogue

        with self._timed("import"):
            imported = pipeline.import_sample_palettes(self.palettes).imported
        with self._timed("pictures"):
            pipeline.write_pictures(progress=progress)
        with self._timed("submit"):
            # The first batch takes a while to be made; until then there is a bar at least.
            models = sum(model.enabled for model in load_catalogue().models)
            progress.advance("submitting", 0, imported * models * self.analysis_count)
            self.submitted = self._submit(pipeline, progress)
        with self._timed("collect"):
            self._collect(pipeline, progress)
        with self._timed("read"):
            pipeline.parse_answers(progress=progress)
            pipeline.count_consensus()
        with self._timed("refine"):
            self._refine(pipeline, progress)
        with self._timed("index"):
            pipeline.score_models()
            pipeline.embed_palettes(progress=progress)
        with self._timed("gallery"):
            pipeline.build_gallery()

    @contextmanager
    def _timed(self, step: str) -> Generator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start

    def _submit(self, pipeline: Pipeline, progress: Progress) -> BackfillReport:
        from grabient_pipeline.batches.orders import BackfillRequest

        request = BackfillRequest(
            analysis_count=self.analysis_count,
            include_retired=True,
            # Nothing is paid here, so there is nothing to cap.
            max_cost_usd=math.inf,
        )
        report = pipeline.backfill(request, progress=progress)
        if report.failures:
            raise GrabientError("the sandbox refused: " + "; ".join(report.failures.values()))
        return report

    def _refine(self, pipeline: Pipeline, progress: Progress) -> None:
        """Ask until every palette is refined; what fails is asked again, as often as is allowed."""
        from grabient_pipeline.batches.orders import RefinementRequest

        while True:
            report = pipeline.refine(RefinementRequest(max_cost_usd=math.inf), progress=progress).batches
            if report.failures:
                raise GrabientError("the sandbox refused: " + "; ".join(report.failures.values()))
            if not report.batches:
                return
            self._collect(pipeline, progress)
            pipeline.refine_answers(progress=progress)

    @staticmethod
    def _collect(pipeline: Pipeline, progress: Progress) -> None:
        """Each batch as soon as it has ended, while the others are still being worked on."""
        from grabient_pipeline.batches.collect import ended_batches

        blind = 0
        while True:
            polled = pipeline.poll()
            if ended_batches(pipeline.workspace):
                collected = pipeline.collect(progress=progress)
                if collected.failures:
                    raise GrabientError("; ".join(collected.failures.values()))
            if not polled.pending:
                return
            blind = blind + 1 if polled.unreachable else 0
            if blind == _BLIND_POLLS:
                raise GrabientError("the sandbox is gone: " + "; ".join(set(polled.failures.values())))
            time.sleep(_POLL_SECONDS)


def _say_summary(pipeline: Pipeline, tour: _Tour, status: Status) -> None:
    from grabient_pipeline.batches.status import failure_reasons
    from grabient_pipeline.cli import terminal

    terminal.say(
        f"{pluralize(status.palettes, 'palette')}, each described "
        f"{pluralize(tour.analysis_count, 'time')} by {pluralize(len(status.models), 'model')}: "
        f"{pluralize(status.answers, 'request')} in "
        f"{pluralize(len(tour.submitted.batches) if tour.submitted else 0, 'batch', 'batches')}; "
        f"{pluralize(status.refined, 'palette')} refined",
        "bold",
    )
    terminal.say()
    _say_models(status)
    terminal.say()
    reasons = failure_reasons(pipeline.settings.data_dir)
    if reasons:
        told = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        terminal.say(f"Not usable: {told}")
    terminal.say(f"Cost: nothing; the real providers would have charged {dollars(status.cost_usd)}")
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in tour.seconds.items())
    terminal.say(f"Time: {sum(tour.seconds.values()):.1f} s ({steps})")
    terminal.say()
    _say_searches(pipeline)
    terminal.say("To look at", "bold")
    terminal.say(f"  the gallery   {pipeline.settings.gallery.as_uri()}")
    terminal.say(f"  the tables    {pipeline.settings.published}")
    terminal.say(f"  the pictures  {pipeline.settings.images_dir}")
    terminal.say()
    terminal.say("To try", "bold")
    terminal.say(f"  {_query_command(pipeline)}")


def _say_searches(pipeline: Pipeline) -> None:
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.cli.search import say_found

    for query in _SEARCHES:
        terminal.say(f"grabient search {shlex.quote(query)}", "bold")
        say_found(pipeline.search(query, _FOUND))
        terminal.say()


def _say_models(status: Status) -> None:
    from grabient_pipeline.cli import terminal

    models = named_models(status)
    rows = [_model_row(name, (each,)) for name, each in models]
    rows.append([*_model_row("together", [each for _, each in models])[:-1], dollars(status.cost_usd)])
    headers = ["model", "usable", "share", "tokens in", "out", "cost"]
    terminal.say_table(headers, rows, right=headers[1:], styles=[""] * len(models) + ["bold"])


def _model_row(name: str, models: Sequence[ModelSummary]) -> list[str]:

    answers, usable = sum(each.answers for each in models), sum(each.usable for each in models)
    return [
        name,
        f"{usable:,}",
        f"{usable / answers:.1%}" if answers else "",
        f"{sum(each.input_tokens for each in models):,}",
        f"{sum(each.output_tokens for each in models):,}",
        dollars(sum(each.cost_usd for each in models)),
    ]


def _query_command(pipeline: Pipeline) -> str:
    # Double quotes within, so that the shell's single ones stay readable.
    published = orjson.dumps(str(pipeline.settings.published)).decode()
    code = f'import duckdb; print(duckdb.connect({published}, read_only=True).sql("{_QUERY}"))'
    return shlex.join([sys.executable, "-c", code])


def _facts(pipeline: Pipeline, tour: _Tour, status: Status) -> dict[str, Any]:
    from grabient_pipeline.batches.status import failure_reasons

    return {
        "palettes": status.palettes,
        "analysis_count": tour.analysis_count,
        "batches": len(tour.submitted.batches) if tour.submitted else 0,
        "requests": status.answers,
        "usable_answers": status.usable_answers,
        "refined": status.refined,
        "models": [asdict(each) for each in status.models],
        "refining_models": [asdict(each) for each in status.refining_models],
        "not_usable": failure_reasons(pipeline.settings.data_dir),
        "estimated_cost_usd": tour.submitted.estimated_cost_usd if tour.submitted else 0.0,
        "cost_usd": status.cost_usd,
        "seconds": tour.seconds,
        "database": str(pipeline.settings.published),
        "images": str(pipeline.settings.images_dir),
        "gallery": str(pipeline.settings.gallery),
    }
