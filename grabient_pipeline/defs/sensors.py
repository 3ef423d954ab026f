"""The two sensors: `poll_batches` polls the providers, `refresh_derived` keeps up what is free and derived."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `sensor`.)

import datetime as dt
import hashlib
from collections.abc import Sequence
from itertools import takewhile

import dagster as dg

from grabient_pipeline.batches.order_status import order_line
from grabient_pipeline.batches.status import read_complaints
from grabient_pipeline.batches.tick import LikelyEnd, TickReport
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.defs.automation import DERIVED
from grabient_pipeline.defs.jobs import collect_job
from grabient_pipeline.defs.resources import report_errors
from grabient_pipeline.defs.send_on import send_on_job
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import DEFAULT_POLL_SECONDS

# Dagster abandons a tick after 60 s and discards what it saw. This is for the network and the database together.
TICK_SECONDS = 45.0
# The longest single wait for the database before the providers are asked.
WAIT_SECONDS = 5.0

# An unreachable provider or a wrong key is tried again at each tick; after an hour a person is needed.
MAX_FAILURES_IN_A_ROW = 12
# After so many failures, sending on is tried again so long after the last try.
_NEXT_TRY = dt.timedelta(hours=1)

_ENDED_TAG = "grabient/ended"
_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def build_poll_sensor(poll_seconds: int = DEFAULT_POLL_SECONDS) -> dg.SensorDefinition:
    """Build the sensor that polls pending batches every so many seconds."""

    @dg.sensor(
        jobs=[collect_job, send_on_job],
        minimum_interval_seconds=poll_seconds,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Asks the providers for the state of pending batches, one call per batch, looks for batches whose "
        "creation was not answered, and starts the job collect when a batch has ended, and the job send_on when there "
        "is room for more of an open order or a batch is late. Polling costs nothing; the job send_on spends within "
        "the cap of each order, and the job collect submits refinements within the cost cap.",
    )
    def poll_batches(context: dg.SensorEvaluationContext, pipeline: dg.ResourceParam[Pipeline]) -> dg.SensorResult:
        with report_errors():
            try:
                report = pipeline.tick(Deadline.after(TICK_SECONDS), wait_seconds=WAIT_SECONDS)
            except WarehouseBusy:
                return dg.SensorResult(skip_reason="the database is busy; the next tick tries again")
        _log(context, report)
        for line in read_complaints(pipeline.settings.data_dir):
            context.log.warning(line)
        if report.polled.unreachable and not (report.collectable or report.sendable):
            raise dg.Failure("no provider could be reached: " + "; ".join(sorted(set(report.polled.failures.values()))))
        collecting, collect_requests = _collect_step(context.instance, report.collectable)
        sending, send_requests = _send_on_step(context.instance, report.sendable + report.late)
        requests = [*collect_requests, *send_requests]
        summary = "; ".join(filter(None, [summarize(report), collecting, sending]))
        if requests:
            context.log.info(summary)
            return dg.SensorResult(run_requests=requests)
        return dg.SensorResult(skip_reason=summary)

    return poll_batches


poll_batches = build_poll_sensor()

refresh_derived = dg.AutomationConditionSensorDefinition(
    "refresh_derived",
    target=DERIVED,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps consensus, scorecard, embeddings and gallery up to date when what they are made from changes "
    "outside the job collect, such as newly imported palettes. Starts nothing that costs money.",
)


def _collect_step(instance: dg.DagsterInstance, ended: Sequence[str]) -> tuple[str, list[dg.RunRequest]]:
    """Return what is collected next, in words and as the run that does it; neither if there is nothing to do."""
    job = collect_job.name
    failed = _failed_in_a_row(instance, job)
    if not ended and not failed:
        return "", []
    if _is_in_progress(instance, job):
        return f"the job {job} is running already", []
    if ended:
        words = f"next: the job {job} fetches the results and brings everything after them up to date"
        return words, [_collect_request(instance, ended)]
    if len(failed) >= MAX_FAILURES_IN_A_ROW:
        return f"the job {job} failed {len(failed)} times: fix the cause, then run it", []
    # What had ended is collected, but the steps after it are not done.
    return f"next: the job {job} again, because it failed", [
        dg.RunRequest(run_key=f"after {failed[0].run_id}", job_name=job)
    ]


def _send_on_step(instance: dg.DagsterInstance, work: int) -> tuple[str, list[dg.RunRequest]]:
    """Return what is sent next, in words and as the run that does it; neither if there is nothing to do.

    Args:
        instance: of Dagster.
        work: how many parts of orders can be sent, and how many late batches are to be cancelled before.
    """
    job = send_on_job.name
    if not work:
        return "", []
    if _is_in_progress(instance, job):
        return f"the job {job} is running already", []
    failed = _failed_in_a_row(instance, job)
    if len(failed) >= MAX_FAILURES_IN_A_ROW and not _is_time_for_another_try(instance, failed[0]):
        return f"the job {job} failed {len(failed)} times: fix the cause; it is tried once an hour", []
    # Without a key: what can be sent at this tick may look the same at the next one.
    return f"next: the job {job} sends what there is room for", [dg.RunRequest(job_name=job)]


def _is_in_progress(instance: dg.DagsterInstance, job: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=_IN_PROGRESS), limit=1))


def _is_time_for_another_try(instance: dg.DagsterInstance, last: dg.DagsterRun) -> bool:
    """Whether a failed run began more than an hour ago. One provider may fail for long, and the others have room."""
    record = instance.get_run_record_by_id(last.run_id)
    return record is None or dt.datetime.now(dt.UTC) - record.create_timestamp > _NEXT_TRY


def _failed_in_a_row(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    """Return the newest runs of a job that failed since the last one that did not, the newest first."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job), limit=MAX_FAILURES_IN_A_ROW)
    return list(takewhile(lambda run: run.status == dg.DagsterRunStatus.FAILURE, runs))


def _collect_request(instance: dg.DagsterInstance, ended: Sequence[str]) -> dg.RunRequest:
    """Return a run for these batches. A run key is used up even by a failed run, so it has the number of the try."""
    digest = hashlib.sha256("".join(sorted(ended)).encode()).hexdigest()[:16]
    tries = len(instance.get_runs(dg.RunsFilter(tags={_ENDED_TAG: digest})))
    return dg.RunRequest(run_key=f"{digest}#{tries}", job_name=collect_job.name, tags={_ENDED_TAG: digest})


def _log(context: dg.SensorEvaluationContext, report: TickReport) -> None:
    for reason in report.failures.values():
        context.log.warning(reason)
    for submission, state in report.polled.states.items():
        if state.error:
            context.log.warning(f"{submission} ended as {state.status}: {state.error}")
    found = report.reconciled
    adopted = (*found.adopted, *report.listed.adopted)
    for outcome, findings in (("adopted", adopted), ("released", found.released), ("looked for", found.waiting)):
        for each in findings:
            context.log.info(f"{each.provider}/{each.model} {each.submission} {outcome}: {each.evidence}")


def summarize(report: TickReport) -> str:
    """Say in one line what a tick found."""
    pending, ended, found = report.polled.pending, len(report.collectable), report.reconciled
    words = [f"{pending} pending" if pending else "nothing is pending"]
    words += [f"{ended} ended"] if ended else ["nothing has ended"] if pending else []
    words += [
        f"{count} {what}"
        for count, what in (
            (len(report.polled.failures), "could not be polled"),
            (len(report.polled.postponed), "asked at the next poll"),
            (report.late, "late"),
            (len(found.adopted) + len(report.listed.adopted), "adopted"),
            (len(found.released), "released because the provider never had them"),
            (len(found.waiting) + len(found.failures), "looked for"),
        )
        if count
    ]
    orders = [order_line(order) for order in report.orders or () if order.waiting]
    return "; ".join([", ".join(words), *orders, *map(_likely_end, report.likely_ends)])


def _likely_end(each: LikelyEnd) -> str:
    return (
        f"{load_catalogue().provider(each.provider).name} likely by {each.likely_at:%H:%M}, "
        f"nine times out of ten by {each.latest_at:%d %b %H:%M} UTC"
    )
