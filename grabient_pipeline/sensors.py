"""`poll_batches`: every five minutes, ask the providers about what is under way; collect what has ended."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `sensor`.)

import hashlib
import time
from collections import Counter
from collections.abc import Sequence

import dagster as dg
import orjson

from grabient_pipeline.batches.collect import EndedBatch
from grabient_pipeline.batches.poll import PollReport
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.jobs import collect_job
from grabient_pipeline.resources import PipelineResource, explained

INTERVAL_SECONDS = 300
# A tick is cut off at 60 s and its findings thrown away; the database may be waited for twice, 5 s each.
POLL_BUDGET_SECONDS = 35.0
WAIT_SECONDS = 5.0

_ENDED_TAG = "grabient/ended"
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=collect_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Asks the providers how the pending batches are getting on, one call a batch, and starts the job "
    "collect when one has ended. Turn it on once; it costs nothing.",
)
def poll_batches(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    started = time.monotonic()
    with explained():
        opened = pipeline.open()
        try:
            report = opened.poll(budget_seconds=POLL_BUDGET_SECONDS, wait_seconds=WAIT_SECONDS)
            ended = opened.ended_batches(wait_seconds=WAIT_SECONDS)
        except WarehouseBusy:
            return dg.SensorResult(skip_reason="the database is busy; the next tick asks again", cursor=context.cursor)
    for reason in report.failures.values():
        context.log.warning(reason)
    if report.blind and not ended:
        raise dg.Failure("nobody could be asked: " + "; ".join(sorted(set(report.failures.values()))))
    cursor = _cursor(report, time.monotonic() - started)
    if not ended:
        return dg.SensorResult(skip_reason=_in_words(report), cursor=cursor)
    if context.instance.get_runs(dg.RunsFilter(job_name=collect_job.name, statuses=_UNDER_WAY), limit=1):
        return dg.SensorResult(skip_reason=f"{len(ended)} ended; they are being collected already", cursor=cursor)
    return dg.SensorResult(run_requests=[_collect_request(context.instance, ended)], cursor=cursor)


def _collect_request(instance: dg.DagsterInstance, ended: Sequence[EndedBatch]) -> dg.RunRequest:
    """A run for these batches. A run key is used up even by a run that fails, so it carries the number of the try."""
    names = "".join(sorted(batch.submission for batch in ended))
    digest = hashlib.sha256(names.encode()).hexdigest()[:16]
    tries = len(instance.get_runs(dg.RunsFilter(tags={_ENDED_TAG: digest})))
    return dg.RunRequest(run_key=f"{digest}#{tries}", tags={_ENDED_TAG: digest})


def _in_words(report: PollReport) -> str:
    if not report.pending:
        return "nothing is under way"
    words = [f"{report.pending} under way", "nothing has ended"]
    if report.failures:
        words.append(f"{len(report.failures)} could not be asked")
    return ", ".join(words)


def _cursor(report: PollReport, seconds: float) -> str:
    """What this tick saw, for people who look at the sensor's page."""
    seen = Counter(state.provider_status for state in report.states.values())
    return orjson.dumps(
        {"seen": dict(seen), "could not be asked": len(report.failures), "seconds": round(seconds, 1)}
    ).decode()
