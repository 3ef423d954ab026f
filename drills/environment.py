"""The environment of a drill: a data directory, the sandbox behind it, and the actions on both."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx2

from drills import commands
from drills.audit import AuditTotals, Bill, audit, count_kept_tokens, find_violations
from drills.commands import CompletedCommand, DrillFailed, RunningCommand
from grabient_pipeline import connect
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.base import Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings
from grabient_pipeline.warehouse import Warehouse

PALETTES: Final = 3
ANALYSES: Final = 2
PROVIDERS: Final = tuple(load_catalogue().providers)


def _tagging_model(provider: str) -> str:
    """Return the first model of a provider that is not retired; one of the default models if possible."""
    active = [model for model in load_catalogue().models if model.provider == provider and not model.retired()]
    return min(active, key=lambda model: model not in load_catalogue().mission).name


MODELS: Final = {provider: _tagging_model(provider) for provider in PROVIDERS}
# Its ordinary calls ask for the service tier flex.
FLEX_MODEL: Final = "openai/gpt-5-nano"
REFINING_MODELS: Final = {**MODELS, "anthropic": "anthropic/claude-opus-4-5-20251101"}

# This many rounds of plain commands settle whatever a drill has done.
_SETTLING_ROUNDS = 20

# Slots without a succeeded request and with fewer than three failed ones.
_UNANSWERED_SLOTS = """
    WITH slots AS (
        SELECT seed, model, analysis_index
        FROM palettes, unnest($models) AS models (model), range($analyses) AS analyses (analysis_index)
    ),
    requested AS (
        SELECT
            seed, concat(provider, '/', model) AS model, analysis_index,
            count(*) FILTER (state = 'succeeded') AS succeeded,
            count(*) FILTER (state = 'failed') AS failed
        FROM tag_requests WHERE stage = $stage GROUP BY ALL
    )
    SELECT count(*) FROM slots LEFT JOIN requested USING (seed, model, analysis_index)
    WHERE coalesce(succeeded, 0) = 0 AND coalesce(failed, 0) < 3
"""


@dataclass
class DrillEnvironment:
    """Everything that one drill works with.

    Attributes:
        providers: the providers involved; each is used with its model in `MODELS`.
        stage: what is submitted: tagging requests, or refinements of palettes that are tagged already.
        analyses: the analysis count.
        margin_seconds: how long a lost batch is looked for before it is released.
        withheld: responses that the drill makes a provider bill and never return.
        token_totals_differ: whether the kept tokens may differ from the billed ones.
        kills: processes that were killed.
        notes: remarks for the report.
    """

    sandbox: SandboxServer
    folder: Path
    rng: random.Random
    providers: tuple[str, ...] = PROVIDERS
    stage: str = "tagging"
    analyses: int = ANALYSES
    margin_seconds: float = 0.0
    withheld: int = 0
    token_totals_differ: bool = False
    kills: int = 0
    notes: list[str] = field(default_factory=list[str])
    _earlier_submissions: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    # Data directory

    @property
    def data_dir(self) -> Path:
        """The data directory of the commands."""
        return self.folder / "data"

    @property
    def published(self) -> Path:
        """The published database file."""
        return Settings(self.data_dir).published

    @property
    def warehouse(self) -> Warehouse:
        """The working database."""
        return Warehouse.at(Settings(self.data_dir))

    @property
    def palettes_file(self) -> Path:
        """A file with the seeds of the palettes to import."""
        return self.folder / "palettes.txt"

    def initialise(self, template: Path | None) -> None:
        """Reset the sandbox, and start with a copy of this data directory or with an empty one."""
        self.delete_batches()
        with SAMPLE_PALETTES.open("rb") as lines:
            seeds = [json.loads(line)["seed"] for line in itertools.islice(lines, PALETTES)]
        self.palettes_file.write_text("".join(f"{seed}\n" for seed in seeds), "utf-8")
        if template is None:
            self.data_dir.mkdir()
            return
        shutil.copytree(template, self.data_dir)
        with connect(self.data_dir) as connection:
            rows = connection.execute("SELECT submission FROM tag_batches").fetchall()
        self._earlier_submissions = tuple(submission for (submission,) in rows)

    # Commands

    def variables(self) -> dict[str, str]:
        """Return the environment variables of every command: the sandbox's, and nothing else of the caller's shell."""
        refining_model = REFINING_MODELS[self.providers[0]] if self.stage == "refinement" else "none"
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            **self.sandbox.environment(),
            "GRABIENT_DATA_DIR": str(self.data_dir),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_REFINEMENT_MODEL": refining_model,
            # The shortest wait after a full queue.
            "GRABIENT_POLL_SECONDS": "5",
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "COLUMNS": "200",
        }

    def start(self, *arguments: object, **variables: str) -> RunningCommand:
        """Start a command in a forked process that has imported the package already."""
        words = [str(argument) for argument in arguments]
        return commands.start(words, {**self.variables(), **variables}, self._next_output())

    def start_installed(self, *arguments: object) -> RunningCommand:
        """Start the installed executable, as a person does."""
        words = [str(argument) for argument in arguments]
        return commands.start_installed(words, self.variables(), self._next_output())

    def _next_output(self) -> Path:
        return self.folder / f"command-{next(self._numbers):04d}.txt"

    def run(self, *arguments: object, **variables: str) -> CompletedCommand:
        """Run a command, which may fail. Wrong usage (exit status 2) is a bug in the drill and raises `DrillFailed`."""
        completed = self.start(*arguments, **variables).wait()
        if completed.status not in (0, 1):
            raise DrillFailed(str(completed))
        return completed

    def run_checked(self, *arguments: object) -> CompletedCommand:
        """Run a command that must succeed."""
        completed = self.run(*arguments)
        if completed.status != 0:
            raise DrillFailed(str(completed))
        return completed

    def run_json(self, *arguments: object) -> dict[str, Any]:
        """Run a command with `--json` and return the object that it prints."""
        completed = self.run(*arguments, "--json")
        if not completed.stdout:
            raise DrillFailed(str(completed))
        document: dict[str, Any] = json.loads(completed.stdout)
        return document

    def crash_at(self, crash_point: str, *arguments: object) -> None:
        """Run a command that is killed at a crash point, then check that the published file is readable."""
        completed = self.start(*arguments, GRABIENT_CRASH_AT=crash_point).wait()
        if not completed.killed:
            raise DrillFailed(f"crash point {crash_point} was not reached: {completed}")
        self.record_kill()

    def record_kill(self) -> None:
        """Count a killed process, and check that the published file is readable."""
        self.kills += 1
        self.assert_readable()

    @property
    def submit_command(self) -> tuple[str, ...]:
        """The command that submits all missing requests."""
        if self.stage == "refinement":
            return ("refine",)
        return ("backfill", *self.model_options(), "--analysis-count", str(self.analyses))

    def model_options(self) -> tuple[str, ...]:
        """Return the `--model` options for the providers involved."""
        return tuple(word for provider in self.providers for word in ("--model", MODELS[provider]))

    # Published file

    def assert_readable(self) -> None:
        """Check that the published file opens in a new process and that every table can be read in full."""
        if not self.published.exists():
            return
        # DuckDB caches by path; a new path shows what a new process would see.
        link = self.folder / f"read-{next(self._numbers):04d}.duckdb"
        os.link(self.published, link)
        try:
            with duckdb.connect(str(link), read_only=True) as connection:
                for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    connection.execute(f'SELECT count(*), max(t) FROM "{table}" AS t').fetchall()  # noqa: S608
        except duckdb.Error as error:
            raise DrillFailed(f"the published file is not readable: {str(error).splitlines()[0]}") from error
        finally:
            link.unlink()

    # Sandbox

    def arm_fault(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> None:
        """Arm a fault of the sandbox, for one provider or all, a number of times or until it is disarmed."""
        self._call("POST", "faults", json={"name": name, "provider": provider, "times": times, **parameters})

    def disarm_faults(self) -> None:
        """Disarm all faults."""
        self._call("DELETE", "faults")

    def limit_queues(self, limits: list[dict[str, Any]]) -> None:
        """Limit what the accounts may hold at their providers."""
        self._call("POST", "limits", json=limits)

    def occupy_queues(self, occupied: list[dict[str, Any]]) -> None:
        """Let somebody else use a part of the accounts."""
        self._call("POST", "occupied", json=occupied)

    def queues(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return by provider and model what waits, and how often a creation met a full queue."""
        queues: dict[str, dict[str, dict[str, Any]]] = self._call("GET", "queues").json()
        return queues

    def delete_batches(self) -> None:
        """Reset the sandbox: delete all batches, bills and faults."""
        self._call("DELETE", "batches")

    def end_batches(self) -> None:
        """End every batch now."""
        self._call("POST", "batches/end")

    def provider_batches(self) -> list[dict[str, Any]]:
        """Return every batch that exists at the providers, whether or not the ledger knows it."""
        batches: list[dict[str, Any]] = self._call("GET", "batches").json()["batches"]
        return batches

    def fetch_bills(self) -> list[Bill]:
        """Return every response that was billed."""
        lines = self._call("GET", "billed/requests").text.splitlines()
        return [Bill(**json.loads(line)) for line in lines]

    def count_billed_tokens(self) -> tuple[int, ...]:
        """Return the tokens billed for batches and direct calls: input, output, cached and reasoning."""
        bills = self._call("GET", "billed").json().values()
        names = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        return tuple(sum(bill[name] + bill[f"direct_{name}"] for bill in bills) for name in names)

    def cancel_at_provider(self) -> None:
        """Cancel every batch as in the provider's own console."""
        pipeline = Pipeline(Settings(self.data_dir), self.variables())
        for batch in self.provider_batches():
            name = f"batches/{batch['id']}" if batch["provider"] == "google" else batch["id"]
            pipeline.workspace.providers.open(Route(batch["provider"])).cancel(name)

    def _call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        response = httpx2.request(method, f"{self.sandbox.url}/_sandbox/{path}", timeout=60, **options)
        response.raise_for_status()
        return response

    # Settling

    def settle(self) -> None:
        """Run plain commands, as a person would after a failure, until nothing is pending.

        The first command is random: none of them may do harm.

        Raises:
            DrillFailed: something is still pending after `_SETTLING_ROUNDS` rounds.
        """
        first = [
            lambda: self.run(*self.submit_command),
            lambda: self.run("poll"),
            lambda: self.run("reconcile", "--margin", self.margin_seconds),
        ]
        self.rng.choice(first)()
        self.assert_readable()
        pending: object = None
        for _ in range(_SETTLING_ROUNDS):
            self.end_batches()
            status = self.run_json("status")
            pending = status["batches"]
            open_batches = [batch["status"] for batch in status["open_batches"]]
            if "reserved" in open_batches:
                self.run("reconcile", "--margin", self.margin_seconds)
            if open_batches:
                self.run("poll")
                continue
            submitted = self.run_json(*self.submit_command)
            if not submitted["requests"] and not submitted["waiting"]:
                return
            if not submitted["requests"]:
                # For room, after a refusal.
                time.sleep(1)
        raise DrillFailed(f"still pending after {_SETTLING_ROUNDS} rounds: {pending}")

    def audit(self) -> tuple[AuditTotals, list[str]]:
        """Compare the ledger with the bills; returns the totals, and everything else that is wrong."""
        self.run_checked("status")
        bills = self.fetch_bills()
        ordered = {"tagging": self.analyses, "refinement": 1}
        with connect(self.data_dir) as connection:
            totals = audit(connection, bills, ordered, self._earlier_submissions)
            violations = find_violations(connection)
            kept_tokens = count_kept_tokens(connection, (bill.custom_id for bill in bills))
            ((not_kept,),) = connection.execute(
                "SELECT coalesce(sum(requests), 0)::BIGINT FROM paid_and_not_kept"
            ).fetchall()
            unanswered = self._count_unanswered_slots(connection)
        if unanswered:
            violations.append(f"{unanswered} slots have neither a response nor three failed requests")
        if not_kept != self.withheld:
            violations.append(f"status reports {not_kept} responses as paid and not kept instead of {self.withheld}")
        billed_tokens = self.count_billed_tokens()
        if not self.token_totals_differ and not self.withheld and kept_tokens != billed_tokens:
            violations.append(f"{kept_tokens} tokens kept, {billed_tokens} billed")
        unknown = self._find_unknown_batches()
        if unknown:
            violations.append(f"batches unknown to the ledger: {', '.join(unknown)}")
        return totals, violations

    def _count_unanswered_slots(self, connection: duckdb.DuckDBPyConnection) -> int:
        models = REFINING_MODELS if self.stage == "refinement" else MODELS
        ((count,),) = connection.execute(
            _UNANSWERED_SLOTS,
            {
                "models": [models[provider] for provider in self.providers],
                "analyses": 1 if self.stage == "refinement" else self.analyses,
                "stage": self.stage,
            },
        ).fetchall()
        return int(count)

    def _find_unknown_batches(self) -> list[str]:
        with connect(self.data_dir) as connection:
            rows = connection.execute("SELECT batch_id FROM tag_batches WHERE batch_id IS NOT NULL").fetchall()
        # Google's batch ids start with the name of the collection.
        known = {batch_id.removeprefix("batches/") for (batch_id,) in rows}
        return [batch["id"] for batch in self.provider_batches() if batch["id"] not in known]


@contextmanager
def set_up(environment: DrillEnvironment, template: Path | None) -> Iterator[DrillEnvironment]:
    """Create the folder of an environment and its data directory, and delete both after the drill."""
    environment.folder.mkdir(parents=True)
    try:
        environment.initialise(template)
        yield environment
    finally:
        shutil.rmtree(environment.folder, ignore_errors=True)


def prepare_template(sandbox: SandboxServer, folder: Path, stage: str) -> Path:
    """Return a data directory to copy: palettes imported and, for the refinement stage, tagged.

    The tagging model is one that no drill uses, so that its responses do not affect the audit.
    """
    template = folder / f"template-{stage}"
    if (template / "ready").exists():
        return template / "data"
    environment = DrillEnvironment(sandbox, template, random.Random(0))
    shutil.rmtree(template, ignore_errors=True)
    template.mkdir(parents=True)
    environment.initialise(None)
    environment.run_checked("import", environment.palettes_file)
    if stage == "refinement":
        tagging = ("backfill", "--model", "openai/gpt-5-nano", "--include-retired", "--analysis-count", ANALYSES)
        environment.run_checked(*tagging)
        environment.end_batches()
        environment.run_checked("poll")
    environment.delete_batches()
    (template / "ready").touch()
    return environment.data_dir
