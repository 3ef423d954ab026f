"""Settings: where files are and what may be spent, read from the environment and checked.

Nothing else in the package reads `GRABIENT_*`; the providers' keys are read by `providers.registry`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from grabient_pipeline.errors import SettingsError

PACKAGE = Path(__file__).resolve().parent
SAMPLE_PALETTES = PACKAGE / "samples" / "sample_palettes.jsonl"
DEFAULT_MAX_COST_USD = 25.0
DEFAULT_POLL_SECONDS = 300
DEFAULT_REFINEMENT_MODEL = "anthropic/claude-opus-4-5-20251101"
# On this machine: no key, no network, no cost.
DEFAULT_EMBEDDING_MODEL = "local/wordllama-256"


def _find_checkout() -> Path | None:
    """Return the checkout that the package is imported from; None if it is installed from a wheel."""
    project = PACKAGE.parent / "pyproject.toml"
    is_ours = project.is_file() and '\nname = "grabient-pipeline"\n' in project.read_text("utf-8")
    return PACKAGE.parent if is_ours else None


# The checkout that the package is imported from; None where it is installed from a wheel.
PROJECT_ROOT = _find_checkout()


def default_data_dir() -> Path:
    """The folder used without `GRABIENT_DATA_DIR`: the checkout's `data/`, else that of the current folder."""
    return (PROJECT_ROOT or Path.cwd()) / "data"


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: its name, its meaning, and its default ("" if there is none)."""

    name: str
    meaning: str
    default: str = ""


# Every variable that the package reads, except the providers' keys and addresses, which the catalogue names.
# `docs/reference.md` is generated from this table.
VARIABLES: Final = (
    Variable(
        "GRABIENT_DATA_DIR",
        "The data directory: the database, images, gallery, exports and state.",
        "`data/` of the checkout, or of the current folder if the package is installed",
    ),
    Variable(
        "GRABIENT_MAX_COST_USD",
        "The cost cap in US dollars, batches in progress included. Anything that would exceed it is not submitted.",
        f"{DEFAULT_MAX_COST_USD:g}",
    ),
    Variable(
        "GRABIENT_REFINEMENT_MODEL",
        "The refining model, as PROVIDER/MODEL; when the default has ended, its successor refines. `none` turns the "
        "second stage off.",
        DEFAULT_REFINEMENT_MODEL,
    ),
    Variable(
        "GRABIENT_EMBEDDING_MODEL",
        "The embedding model, for palettes and for queries.",
        DEFAULT_EMBEDDING_MODEL,
    ),
    Variable(
        "GRABIENT_DIRECT",
        "Providers and models (PROVIDER or PROVIDER/MODEL, separated by commas) to call directly, at full price "
        "or at that of the service tier flex, instead of through batches.",
    ),
    Variable(
        "GRABIENT_POLL_SECONDS",
        "The interval of the sensor `poll_batches` in seconds, at least 5.",
        str(DEFAULT_POLL_SECONDS),
    ),
    Variable("CF_ACCOUNT_ID", "The Cloudflare account whose D1 database `grabient import --d1` reads."),
    Variable("CF_API_TOKEN", "A token with read access to D1."),
    Variable("CF_D1_DATABASE_ID", "The ID of the D1 database."),
    Variable("CLOUDFLARE_BASE_URL", "Another address of Cloudflare's API.", "https://api.cloudflare.com/client/v4"),
    Variable("R2_BUCKET", "The bucket for pictures (Cloudflare R2 or any S3). Without it, pictures stay local."),
    Variable("R2_ENDPOINT", "The bucket's S3 endpoint."),
    Variable("R2_ACCESS_KEY_ID", "The bucket's access key ID."),
    Variable("R2_SECRET_ACCESS_KEY", "The bucket's secret access key."),
    Variable("R2_PUBLIC_URL", "The public address of the bucket, from which `palettes.image_url` is made."),
    Variable("R2_PREFIX", "The folder in the bucket.", "palettes"),
    Variable("R2_REGION", "The bucket's region.", "auto"),
    Variable("GRABIENT_KEEP_REQUEST_FILES", "Any value: keep uploaded request files at OpenAI and Groq."),
    Variable("GRABIENT_DEBUG", "Any value: print the traceback of an internal error."),
    Variable("GRABIENT_SANDBOX", "Any value: the providers are the sandbox. `grabient dev --demo` sets it."),
    Variable("GRABIENT_CRASH_AT", "A crash point at which the process is killed; for the drills."),
    Variable("NO_COLOR", "Any value: print without colour."),
    Variable("COLUMNS", "The width of the output where it is not a terminal."),
)


@dataclass(frozen=True)
class Settings:
    """Where runs write, and the cost cap in US dollars.

    `sandbox`: the providers are the sandbox, which still has models that the real ones have retired. `poll_seconds`:
    the interval of the sensor. `refinement_model`: the model that condenses the counted tags, as provider/model; None
    turns refinement off. `direct`: providers and models (`provider/model`) to reach by ordinary calls at full price.
    `embedding_model`: the model whose vectors are made and searched. `keep_request_files`: whether uploaded request
    files stay at the providers when they are of no more use.
    """

    data_dir: Path
    max_cost_usd: float = DEFAULT_MAX_COST_USD
    sandbox: bool = False
    poll_seconds: int = DEFAULT_POLL_SECONDS
    refinement_model: str | None = DEFAULT_REFINEMENT_MODEL
    embedding_model: str = DEFAULT_EMBEDDING_MODEL
    direct: frozenset[str] = frozenset()
    keep_request_files: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the variables `GRABIENT_*`; an empty one counts as unset.

        Raises:
            SettingsError: a variable cannot be used; the message names it.
        """
        data_dir = environment.get("GRABIENT_DATA_DIR") or default_data_dir()
        return cls(
            data_dir=Path(data_dir).expanduser().absolute(),
            max_cost_usd=_dollars(environment.get("GRABIENT_MAX_COST_USD")),
            sandbox=bool(environment.get("GRABIENT_SANDBOX")),
            poll_seconds=_seconds(environment.get("GRABIENT_POLL_SECONDS")),
            direct=_names(environment.get("GRABIENT_DIRECT")),
            refinement_model=_model(environment.get("GRABIENT_REFINEMENT_MODEL")),
            embedding_model=environment.get("GRABIENT_EMBEDDING_MODEL", "").strip() or DEFAULT_EMBEDDING_MODEL,
            keep_request_files=bool(environment.get("GRABIENT_KEEP_REQUEST_FILES")),
        )

    def demo(self) -> Settings:
        """Return settings for the sandbox, with a data directory of their own: its answers never mix with real data."""
        return replace(self, data_dir=self.data_dir / "demo", sandbox=True)

    @property
    def new_ledger_notice(self) -> str | None:
        """What the first submission to a ledger says; None if the folder was chosen or nothing costs money.

        A ledger in an unexpected folder knows no request of another one, and would pay for them again.
        """
        if self.sandbox or self.data_dir != default_data_dir():
            return None
        return f"Starting a new ledger in {self.data_dir} (set GRABIENT_DATA_DIR to use another folder)"

    @property
    def published(self) -> Path:
        """The database that people open."""
        return self.data_dir / "grabient.duckdb"

    @property
    def state_dir(self) -> Path:
        """The pipeline's own files, which nothing else opens."""
        return self.data_dir / "state"

    @property
    def warehouse(self) -> Path:
        """The working database."""
        return self.state_dir / "warehouse.duckdb"

    @property
    def spool_dir(self) -> Path:
        """Request files going out and result files coming in."""
        return self.state_dir / "spool"

    @property
    def direct_dir(self) -> Path:
        """Unfinished direct calls, with the responses so far."""
        return self.state_dir / "direct"

    @property
    def dagster_dir(self) -> Path:
        """Dagster's home: its storage and logs."""
        return self.state_dir / "dagster"

    @property
    def export_dir(self) -> Path:
        """Where exports go unless a folder is named."""
        return self.data_dir / "export"

    @property
    def images_dir(self) -> Path:
        """One image per palette."""
        return self.data_dir / "images"

    @property
    def gallery(self) -> Path:
        """The gallery's page."""
        return self.data_dir / "gallery" / "index.html"

    def create_directories(self) -> None:
        """Create what is missing.

        Raises:
            SettingsError: a folder cannot be created or written to.
        """
        for directory in (self.data_dir, self.state_dir, self.spool_dir, self.dagster_dir):
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError(
                    f"cannot write to {directory}: {error.strerror or error}; "
                    "make it writable or set GRABIENT_DATA_DIR to another folder"
                ) from error
        if not os.access(self.state_dir, os.W_OK | os.X_OK):
            raise SettingsError(
                f"cannot write to {self.state_dir}; make it writable or set GRABIENT_DATA_DIR to another folder"
            )


def _seconds(text: str | None) -> int:
    if not text:
        return DEFAULT_POLL_SECONDS
    if not (text.isascii() and text.isdigit() and int(text) >= 5):
        raise SettingsError(f"GRABIENT_POLL_SECONDS is {text!r}; it must be a whole number of seconds, 5 or more")
    return int(text)


def _names(text: str | None) -> frozenset[str]:
    return frozenset(name for part in (text or "").split(",") if (name := part.strip()))


def _model(text: str | None) -> str | None:
    if not text:
        return DEFAULT_REFINEMENT_MODEL
    return None if text.strip().lower() == "none" else text.strip()


def _dollars(text: str | None) -> float:
    if not text:
        return DEFAULT_MAX_COST_USD
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value >= 0 and math.isfinite(value)):
        raise SettingsError(f"GRABIENT_MAX_COST_USD is {text!r}; it must be an amount of US dollars such as 25 or 0.50")
    return value
