"""`grabient demo`: every step of the pipeline on the sandbox, without API keys, network or cost."""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.gallery import open_in_browser
from grabient_pipeline.cli.search import say_palettes
from grabient_pipeline.cli.status import named_models
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.formatting import dollars, pluralize, printable

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.status import ModelSummary, Status
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.progress import Progress

_PanelChoice = Literal["mission", "living"]

_BATCH_SECONDS = 1.0
_POLL_SECONDS = 0.3
# The sandbox runs on this machine: after this many failed polls in a row it has crashed.
_MAX_UNREACHABLE_POLLS = 20

# The longest reason why a model has no usable answers, in characters.
_REASON_LENGTH = 300

_SEARCHES = ("calm autumn forest", "#1e90ff", "teal and gold art deco")
_MATCHES = 3

_QUERY = (
    "SELECT name, model, tags.mood, tags.associations FROM palette_tags JOIN palettes USING (seed) "
    "WHERE tags IS NOT NULL ORDER BY hash(custom_id) LIMIT 10"
)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog="Example: grabient demo --palettes 20 --analysis-count 2")(demo)


def demo(
    palettes: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Use only the first N sample palettes.", show_default="all 182"),
    ] = None,
    analysis_count: Annotated[
        int, typer.Option(metavar="N", help="How often each model describes each palette, from 1 to 20.")
    ] = 8,
    panel: Annotated[
        _PanelChoice,
        typer.Option(help="Who answers: the ten models of the mission, of which some have ended, or today's panel."),
    ] = "mission",
    open: Annotated[bool, typer.Option("--open", help="Open the gallery in the browser at the end.")] = False,
    json: Json = False,
) -> None:
    """Run the whole pipeline on a sandbox. No API key, network or cost; replaces the previous demo in data/demo."""
    lazy.check_analysis_count(analysis_count)
    settings = lazy.Settings.from_environment().demo()
    os.environ.update(lazy.proxy_exceptions())
    with lazy.in_use(settings):
        lazy.delete_demo(settings)
        demo_run = _DemoRun(analysis_count, palettes, include_retired=panel == "mission")
        with lazy.running_sandbox(lazy.sandbox.SandboxServer(where="process", batch_seconds=_BATCH_SECONDS)) as sandbox:
            # Only the sandbox's variables, so that no real API key or address is used.
            pipeline = lazy.Pipeline(settings, sandbox.environment())
            with terminal.progress() as progress:
                demo_run.execute(pipeline, progress)
        status = pipeline.status()
    if json:
        terminal.say_json(_facts(pipeline, demo_run, status))
    else:
        _say_summary(pipeline, demo_run, status)
    if open:
        open_in_browser(settings.gallery)
    if failures := lazy.models_without_usable_answers(settings.data_dir):
        raise failed(
            "; ".join(
                f"{model} has no usable answer: {printable(reason, _REASON_LENGTH)}"
                for model, reason in failures.items()
            )
        )


@dataclass
class _DemoRun:
    """One run of the demo. `include_retired`: by the mission's ten models. `seconds`: how long each step took."""

    analysis_count: int
    palettes: int | None
    include_retired: bool = True
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    submitted: BackfillReport | None = None

    def execute(self, pipeline: Pipeline, progress: Progress) -> None:
        """Run every step and time it."""
        with self._timed("import"):
            imported = pipeline.import_sample_palettes(self.palettes).imported
        with self._timed("pictures"):
            pipeline.write_pictures(progress=progress)
        with self._timed("submit"):
            # Show a bar before the first batch is written, which takes a while.
            models = len(pipeline.panel(include_retired=self.include_retired).models)
            progress.advance("submitting", 0, imported * models * self.analysis_count)
            self.submitted = self._submit(pipeline, progress)
        with self._timed("collect"):
            self._collect(pipeline, progress)
        with self._timed("read"):
            self._complete(pipeline, progress)
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
        request = lazy.BackfillRequest(
            analysis_count=self.analysis_count,
            include_retired=self.include_retired,
            # The sandbox costs nothing.
            max_cost_usd=math.inf,
        )
        report = pipeline.backfill(request, progress=progress)
        if report.failures:
            raise GrabientError("the sandbox rejected a batch: " + "; ".join(report.failures.values()))
        return report

    def _complete(self, pipeline: Pipeline, progress: Progress) -> None:
        """Parse what was collected, and send again what failed, until the order is complete."""
        while True:
            pipeline.parse_answers(progress=progress)
            sent = pipeline.send_on(progress=progress)
            if sent.failures:
                raise GrabientError("the sandbox rejected a batch: " + "; ".join(sent.failures.values()))
            if not sent.batches:
                return
            self._collect(pipeline, progress)

    def _refine(self, pipeline: Pipeline, progress: Progress) -> None:
        """Submit refinements until every palette is refined or its requests are in quarantine."""
        while True:
            request = lazy.RefinementRequest(max_cost_usd=math.inf, include_retired=self.include_retired)
            report = pipeline.refine(request, progress=progress).batches
            if report.failures:
                raise GrabientError("the sandbox rejected a batch: " + "; ".join(report.failures.values()))
            if not report.batches:
                return
            self._collect(pipeline, progress)
            pipeline.refine_answers(progress=progress)

    @staticmethod
    def _collect(pipeline: Pipeline, progress: Progress) -> None:
        """Poll and collect until no batches are pending, each batch as soon as it has ended."""
        unreachable = 0
        while True:
            polled = pipeline.poll()
            if lazy.ended_batches(pipeline.workspace):
                collected = pipeline.collect(progress=progress)
                if collected.failures:
                    raise GrabientError("; ".join(collected.failures.values()))
            if not polled.pending:
                return
            unreachable = unreachable + 1 if polled.unreachable else 0
            if unreachable == _MAX_UNREACHABLE_POLLS:
                raise GrabientError("the sandbox cannot be reached: " + "; ".join(set(polled.failures.values())))
            time.sleep(_POLL_SECONDS)


def _say_summary(pipeline: Pipeline, demo_run: _DemoRun, status: Status) -> None:
    submitted = demo_run.submitted
    models = len({batch.model.name for batch in submitted.batches}) if submitted else 0
    terminal.say(
        f"{pluralize(status.palettes, 'palette')}, each described "
        f"{pluralize(demo_run.analysis_count, 'time')} by {pluralize(models, 'model')}: "
        f"{pluralize(submitted.request_count if submitted else 0, 'request')} in "
        f"{pluralize(len(submitted.batches) if submitted else 0, 'batch', 'batches')}; "
        f"{pluralize(status.refined, 'palette')} refined",
        "bold",
    )
    terminal.say()
    _say_models(status)
    terminal.say()
    reasons = lazy.failure_reasons(pipeline.settings.data_dir)
    if reasons:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        terminal.say(f"Not usable: {counts}")
    terminal.say(f"Cost: nothing; the real providers would have charged {dollars(status.cost_usd)}")
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in demo_run.seconds.items())
    terminal.say(f"Time: {sum(demo_run.seconds.values()):.1f} s ({steps})")
    terminal.say()
    _say_searches(pipeline)
    terminal.say("Results", "bold")
    terminal.say(f"  gallery   {pipeline.settings.gallery.as_uri()}")
    terminal.say(f"  tables    {pipeline.settings.published}")
    terminal.say(f"  images    {pipeline.settings.images_dir}")
    terminal.say()
    terminal.say("Query the results", "bold")
    terminal.say(f"  {_query_command(pipeline)}")


def _say_searches(pipeline: Pipeline) -> None:
    for query in _SEARCHES:
        terminal.say(f"grabient search {shlex.quote(query)}", "bold")
        say_palettes(pipeline.search(query, _MATCHES))
        terminal.say()


def _say_models(status: Status) -> None:
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
    # Double quotes inside, because the shell's are single.
    published = orjson.dumps(str(pipeline.settings.published)).decode()
    code = f'import duckdb; print(duckdb.connect({published}, read_only=True).sql("{_QUERY}"))'
    return shlex.join([sys.executable, "-c", code])


def _facts(pipeline: Pipeline, demo_run: _DemoRun, status: Status) -> dict[str, Any]:
    return {
        "palettes": status.palettes,
        "analysis_count": demo_run.analysis_count,
        "batches": len(demo_run.submitted.batches) if demo_run.submitted else 0,
        "requests": status.answers,
        "usable_answers": status.usable_answers,
        "refined": status.refined,
        "models": [asdict(each) for each in status.models],
        "refining_models": [asdict(each) for each in status.refining_models],
        "not_usable": lazy.failure_reasons(pipeline.settings.data_dir),
        "estimated_cost_usd": demo_run.submitted.estimated_cost_usd if demo_run.submitted else 0.0,
        "cost_usd": status.cost_usd,
        "seconds": demo_run.seconds,
        "database": str(pipeline.settings.published),
        "images": str(pipeline.settings.images_dir),
        "gallery": str(pipeline.settings.gallery),
    }
