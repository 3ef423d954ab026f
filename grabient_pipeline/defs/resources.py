"""The resource that the assets, the checks and the sensor share: the pipeline."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves type arguments open in the signatures of its resources.)

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.errors import GrabientError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.damage import explain_database_error


class PipelineResource(dg.ConfigurableResource[Pipeline]):
    """The pipeline on a data directory. A field that is not set comes from its environment variable.

    Keys are no fields: they are read from the environment when a provider is opened, so a missing key concerns its own
    provider only, and no key becomes part of a run's configuration.
    """

    data_dir: str | None = Field(
        default=None, description="The data directory; by default GRABIENT_DATA_DIR, or data/ of the project."
    )
    max_cost_usd: float | None = Field(
        default=None, ge=0, description="The cost cap in US dollars; by default GRABIENT_MAX_COST_USD, or 25."
    )
    sandbox: bool | None = Field(
        default=None,
        description="Whether the providers are the sandbox, which still has retired models; by default whether "
        "GRABIENT_SANDBOX is set.",
    )
    refinement_model: str | None = Field(
        default=None, description="The refining model as provider/model; by default GRABIENT_REFINEMENT_MODEL."
    )
    embedding_model: str | None = Field(
        default=None, description="The embedding model as provider/model; by default GRABIENT_EMBEDDING_MODEL."
    )

    def create_resource(self, context: dg.InitResourceContext) -> Pipeline:
        """Return the pipeline.

        Raises:
            dagster.Failure: a variable or field cannot be used, or the data directory cannot be written to.
        """
        del context
        with report_errors():
            return Pipeline(self.settings())

    def settings(self) -> Settings:
        """Return the settings of the environment with the fields of this resource in their place."""
        fields: dict[str, Any] = {
            "data_dir": None if self.data_dir is None else Path(self.data_dir).expanduser().absolute(),
            "max_cost_usd": self.max_cost_usd,
            "sandbox": self.sandbox,
            "refinement_model": self.refinement_model,
            "embedding_model": self.embedding_model,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        return replace(Settings.from_environment(), **given)


class LogProgress:
    """Writes notes to the log of a run, and no counts: those are in the metadata at the end."""

    def __init__(self, log: dg.DagsterLogManager) -> None:
        self._log = log

    def advance(self, task: str, count: int, total: int) -> None:
        """Do nothing."""
        del task, count, total

    def note(self, line: str) -> None:
        """Write a line to the log."""
        self._log.info(line)


@contextmanager
def report_errors() -> Generator[None]:
    """Turn an error that is meant for people into a failure with its one line and without a traceback."""
    try:
        yield
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except Exception as error:
        explained = explain_database_error(error) if type(error).__module__.lstrip("_").startswith("duckdb") else None
        if explained is None:
            raise
        raise dg.Failure(explained, allow_retries=False) from error
