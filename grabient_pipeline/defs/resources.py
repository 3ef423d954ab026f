"""What the assets and the sensor stand on: the pipeline, opened where it is needed."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from grabient_pipeline.errors import GrabientError
from grabient_pipeline.pipeline import Pipeline


class PipelineResource(dg.ConfigurableResource[Pipeline]):
    """The pipeline on the data directory of the environment.

    Keys are read from the environment at the moment of use, one provider at a time: a missing one concerns its own
    provider only, and none is ever part of a run's configuration.
    """

    def open(self) -> Pipeline:
        return Pipeline.from_environment()


@contextmanager
def explained() -> Generator[None]:
    """An error that is meant for people fails the step with its line, and no traceback of ours."""
    try:
        yield
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
