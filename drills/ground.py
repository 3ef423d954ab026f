"""A data directory, the sandbox behind it, and what a drill does with both."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx2

from drills import commands
from drills.account import Account, Bill, account, broken_rules, tokens_kept
from drills.commands import DrillFailed, Ended, Running
from grabient_pipeline import connect
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import Route
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings
from grabient_pipeline.warehouse import Warehouse

PALETTES: Final = 3
ANALYSES: Final = 2
MODELS: Final = {
    "anthropic": "anthropic/claude-haiku-4-5-20251001",
    "openai": "openai/gpt-4o-mini",
    "groq": "groq/openai/gpt-oss-20b",
    "google": "google/gemini-2.5-flash-lite",
}
REFINING_MODELS: Final = {**MODELS, "anthropic": "anthropic/claude-opus-4-5-20251101"}
PROVIDERS: Final = tuple(MODELS)

# So many rounds of plain commands settle whatever a drill has done.
_ROUNDS = 20


@dataclass
class Ground:
    """Where one drill takes place.

    `providers`: whom it is about; each is asked through the model in `MODELS`. `stage`: what is asked for, tags or
    refinements of palettes that have been tagged already. `withheld`: answers that the drill lets the provider keep
    back. `margin_seconds`: how long a lost batch is looked for before it is released.
    """

    sandbox: SandboxServer
    folder: Path
    rng: random.Random
    providers: tuple[str, ...] = PROVIDERS
    stage: str = "tagging"
    analyses: int = ANALYSES
    margin_seconds: float = 0.0
    withheld: int = 0
    spoiled: bool = False
    kill_points: int = 0
    notes: list[str] = field(default_factory=list[str])
    _before: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    # The data directory.

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def published(self) -> Path:
        return Settings(self.data_dir).published

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse.at(Settings(self.data_dir))

    @property
    def palettes_file(self) -> Path:
        return self.folder / "palettes.txt"

    def begin_with(self, data_dir: Path | None) -> None:
        """Begin with a copy of this data directory, or with none."""
        self.forget_batches()
        with SAMPLE_PALETTES.open("rb") as lines:
            seeds = [json.loads(line)["seed"] for line in itertools.islice(lines, PALETTES)]
        self.palettes_file.write_text("".join(f"{seed}\n" for seed in seeds), "utf-8")
        if data_dir is None:
            self.data_dir.mkdir()
            return
        shutil.copytree(data_dir, self.data_dir)
        with connect(self.data_dir) as connection:
            rows = connection.execute("SELECT submission FROM tag_batches").fetchall()
        self._before = tuple(submission for (submission,) in rows)

    # Commands.

    def environment(self) -> dict[str, str]:
        """The environment of every command: the sandbox's addresses and keys, and nothing of the caller's shell."""
        refining = "none"
        if self.stage == "refinement":
            refining = REFINING_MODELS[self.providers[0]]
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            **self.sandbox.environment(),
            "GRABIENT_DATA_DIR": str(self.data_dir),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_REFINEMENT_MODEL": refining,
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "COLUMNS": "200",
        }

    def start(self, *arguments: object, **variables: str) -> Running:
        """Start a command in a process that has loaded the package already."""
        words = [str(argument) for argument in arguments]
        return commands.start(words, {**self.environment(), **variables}, self._output())

    def start_whole(self, *arguments: object) -> Running:
        """Start a command as a person does: the installed executable."""
        return commands.start_whole([str(argument) for argument in arguments], self.environment(), self._output())

    def _output(self) -> Path:
        return self.folder / f"command-{next(self._numbers):04d}.txt"

    def run(self, *arguments: object, **variables: str) -> Ended:
        """A command from beginning to end, however it ends; usage that is wrong is a mistake of the drill."""
        ended = self.start(*arguments, **variables).ended()
        if ended.status not in (0, 1):
            raise DrillFailed(str(ended))
        return ended

    def must(self, *arguments: object) -> Ended:
        """A command that has to succeed."""
        ended = self.run(*arguments)
        if ended.status != 0:
            raise DrillFailed(str(ended))
        return ended

    def facts(self, *arguments: object) -> dict[str, Any]:
        """What a command says as JSON."""
        ended = self.run(*arguments, "--json")
        if not ended.out:
            raise DrillFailed(str(ended))
        facts: dict[str, Any] = json.loads(ended.out)
        return facts

    def die_at(self, moment: str, *arguments: object) -> None:
        """Let a command die at a marked moment; what people open must open at once."""
        ended = self.start(*arguments, GRABIENT_CRASH_AT=moment).ended()
        if not ended.killed:
            raise DrillFailed(f"{moment} was not reached: {ended}")
        self.survived()

    def survived(self) -> None:
        """Count a kill, and see to it that what people open opens."""
        self.kill_points += 1
        self.published_opens()

    @property
    def asking(self) -> tuple[str, ...]:
        """The command that asks for what is missing."""
        if self.stage == "refinement":
            return ("refine",)
        return ("backfill", *self.models(), "--analysis-count", str(self.analyses))

    def models(self) -> tuple[str, ...]:
        return tuple(word for provider in self.providers for word in ("--model", MODELS[provider]))

    # The published file.

    def published_opens(self) -> None:
        """Whoever opens it now sees whole tables, as `duckdb.connect` gives them in a process of their own."""
        if not self.published.exists():
            return
        # A copy has another path, so that nothing is kept of an earlier look.
        look = self.folder / f"look-{next(self._numbers):04d}.duckdb"
        os.link(self.published, look)
        try:
            with duckdb.connect(str(look), read_only=True) as connection:
                for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    connection.execute(f'SELECT count(*), max(t) FROM "{table}" AS t').fetchall()  # noqa: S608
        except duckdb.Error as error:
            raise DrillFailed(f"the published file does not open: {str(error).splitlines()[0]}") from error
        finally:
            look.unlink()

    # The sandbox.

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> None:
        """Let a fault happen."""
        self._call("POST", "faults", json={"name": name, "provider": provider, "times": times, **parameters})

    def disarm(self) -> None:
        """No more faults."""
        self._call("DELETE", "faults")

    def forget_batches(self) -> None:
        """No batch, no bill, no fault: as if nothing had ever been sent."""
        self._call("DELETE", "batches")

    def end_batches(self) -> None:
        """Bring every batch to its end."""
        self._call("POST", "batches/end")

    def batches_there(self) -> list[dict[str, Any]]:
        """What was made at the providers, whoever knows of it."""
        found: list[dict[str, Any]] = self._call("GET", "batches").json()["batches"]
        return found

    def bills(self) -> list[Bill]:
        """Every answer that was billed."""
        lines = self._call("GET", "billed/requests").text.splitlines()
        return [Bill(**json.loads(line)) for line in lines]

    def tokens_billed(self) -> tuple[int, int]:
        """Input and output tokens, of batches and of ordinary calls."""
        billed = self._call("GET", "billed").json().values()
        return (
            sum(each["input_tokens"] + each["direct_input_tokens"] for each in billed),
            sum(each["output_tokens"] + each["direct_output_tokens"] for each in billed),
        )

    def cancel_at_the_provider(self) -> None:
        """Cancel every batch as somebody does in the provider's own console."""
        pipeline = Pipeline(Settings(self.data_dir), self.environment())
        for batch in self.batches_there():
            name = f"batches/{batch['id']}" if batch["provider"] == "google" else batch["id"]
            pipeline.workspace.providers.open(Route(batch["provider"])).cancel(name)

    def _call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        answer = httpx2.request(method, f"{self.sandbox.url}/_sandbox/{path}", timeout=60, **options)
        answer.raise_for_status()
        return answer

    # Settling.

    def go_on(self) -> None:
        """Plain commands, as a person types them after something went wrong, until nothing is pending.

        Which of them comes first is drawn: none may do harm.
        """
        first = [
            lambda: self.run(*self.asking),
            lambda: self.run("poll"),
            lambda: self.run("reconcile", "--margin", self.margin_seconds),
        ]
        self.rng.choice(first)()
        self.published_opens()
        pending: object = None
        for _ in range(_ROUNDS):
            self.end_batches()
            status = self.facts("status")
            pending = status["batches"]
            open_batches = [batch["status"] for batch in status["open_batches"]]
            if "reserved" in open_batches:
                self.run("reconcile", "--margin", self.margin_seconds)
            if open_batches:
                self.run("poll")
                continue
            if self.facts(*self.asking)["requests"] == 0:
                return
        raise DrillFailed(f"after {_ROUNDS} rounds something is still pending: {pending}")

    def account(self) -> tuple[Account, list[str]]:
        """What it came to, and what else does not hold."""
        self.must("status")
        bills = self.bills()
        ordered = {"tagging": self.analyses, "refinement": 1}
        with connect(self.data_dir) as connection:
            told = account(connection, bills, ordered, self._before)
            broken = broken_rules(connection)
            kept = tokens_kept(connection, (bill.custom_id for bill in bills))
            ((shown,),) = connection.execute(
                "SELECT coalesce(sum(requests), 0)::BIGINT FROM paid_and_not_kept"
            ).fetchall()
            missing = self._unasked(connection)
        if missing:
            broken.append(f"{missing} places were never answered, and do not rest either")
        if shown != self.withheld:
            broken.append(f"status tells of {shown} answers that were paid for and not kept, not {self.withheld}")
        if not self.spoiled and not self.withheld and kept != self.tokens_billed():
            broken.append(f"tokens kept {kept}, billed {self.tokens_billed()}")
        strays = self._strays()
        if strays:
            broken.append(f"the ledger does not know {', '.join(strays)}")
        return told, broken

    def _unasked(self, connection: duckdb.DuckDBPyConnection) -> int:
        """Places that neither have an answer nor have failed as often as is allowed."""
        models = [(REFINING_MODELS if self.stage == "refinement" else MODELS)[provider] for provider in self.providers]
        ((count,),) = connection.execute(
            """
            WITH places AS (
                SELECT seed, model, analysis_index
                FROM palettes, unnest($models) AS models (model), range($analyses) AS analyses (analysis_index)
            ),
            asked AS (
                SELECT
                    seed, concat(provider, '/', model) AS model, analysis_index,
                    count(*) FILTER (state = 'succeeded') AS succeeded,
                    count(*) FILTER (state = 'failed') AS failed
                FROM tag_requests WHERE stage = $stage GROUP BY ALL
            )
            SELECT count(*) FROM places LEFT JOIN asked USING (seed, model, analysis_index)
            WHERE coalesce(succeeded, 0) = 0 AND coalesce(failed, 0) < 3
            """,
            {
                "models": models,
                "analyses": 1 if self.stage == "refinement" else self.analyses,
                "stage": self.stage,
            },
        ).fetchall()
        return int(count)

    def _strays(self) -> list[str]:
        with connect(self.data_dir) as connection:
            rows = connection.execute("SELECT batch_id FROM tag_batches WHERE batch_id IS NOT NULL").fetchall()
        # Google puts the collection before the id.
        known = {batch_id.removeprefix("batches/") for (batch_id,) in rows}
        return [batch["id"] for batch in self.batches_there() if batch["id"] not in known]


@contextmanager
def laid_out(ground: Ground, data_dir: Path | None) -> Iterator[Ground]:
    """A ground that is tidied up after the drill."""
    ground.folder.mkdir(parents=True)
    try:
        ground.begin_with(data_dir)
        yield ground
    finally:
        shutil.rmtree(ground.folder, ignore_errors=True)


def prepared(sandbox: SandboxServer, folder: Path, stage: str) -> Path:
    """A data directory to begin with: palettes imported and, for the second stage, tagged.

    Tagged by a model that no drill asks, so that its answers are nobody's concern.
    """
    template = folder / f"prepared-{stage}"
    if (template / "ready").exists():
        return template / "data"
    ground = Ground(sandbox, template, random.Random(0))
    shutil.rmtree(template, ignore_errors=True)
    template.mkdir(parents=True)
    ground.begin_with(None)
    ground.must("import", ground.palettes_file)
    if stage == "refinement":
        ground.must("backfill", "--model", "openai/gpt-5-nano", "--analysis-count", ANALYSES)
        ground.end_batches()
        ground.must("poll")
    ground.forget_batches()
    (template / "ready").touch()
    return ground.data_dir
