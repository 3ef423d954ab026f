"""`poll_batches`: every five minutes, ask the providers about what is under way; collect what has ended."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signature of `sensor`.)

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

import dagster as dg
import orjson

from grabient_pipeline.batches.poll import PollReport
from grabient_pipeline.batches.reconcile import ReconcileReport
from grabient_pipeline.defs.jobs import collect_job
from grabient_pipeline.defs.resources import PipelineResource, explained
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.pipeline import LikelyEnd
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import Settings

# A tick is cut off at 60 s and its findings thrown away; the database may be waited for twice, 5 s each.
BUDGET_SECONDS = 35.0
RECONCILE_BUDGET_SECONDS = 10.0
WAIT_SECONDS = 5.0

# A provider that is down, or a key that is wrong, is tried again at each tick; after an hour a person is needed.
MAX_FAILURES_IN_A_ROW = 12

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
    minimum_interval_seconds=Settings.from_environment().poll_seconds,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Asks the providers how the pending batches are getting on, one call a batch, looks for those whose "
    "creation was not answered, and starts the job collect when one has ended. Turn it on once; it costs nothing.",
)
def poll_batches(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SensorResult:
    started = time.monotonic()
    with explained():
        opened = pipeline.open()
        try:
            found = opened.reconcile(budget_seconds=RECONCILE_BUDGET_SECONDS, wait_seconds=WAIT_SECONDS)
            budget = max(BUDGET_SECONDS / 2, BUDGET_SECONDS - (time.monotonic() - started))
            report = opened.poll(budget_seconds=budget, wait_seconds=WAIT_SECONDS)
            ended = [batch.submission for batch in opened.ended_batches(wait_seconds=WAIT_SECONDS)]
            # Ordinary calls that were left off in the middle go on in the same job.
            ended += opened.stalled_direct_batches(wait_seconds=WAIT_SECONDS)
            likely = opened.likely_ends(wait_seconds=WAIT_SECONDS)
        except WarehouseBusy:
            return dg.SensorResult(skip_reason="the database is busy; the next tick asks again", cursor=context.cursor)
    for reason in (*report.failures.values(), *found.failures.values()):
        context.log.warning(reason)
    for kind, findings in (("adopted", found.adopted), ("released", found.released), ("looked for", found.waiting)):
        for each in findings:
            context.log.info(f"{each.provider}/{each.model} {each.submission} {kind}: {each.evidence}")
    if report.blind and not ended:
        raise dg.Failure("nobody could be asked: " + "; ".join(sorted(set(report.failures.values()))))
    following, requests = _what_follows(context.instance, ended)
    said = "; ".join(filter(None, [_in_words(report, found, len(ended), likely), following]))
    cursor = _cursor(said, report, found, time.monotonic() - started)
    if requests:
        context.log.info(said)
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    return dg.SensorResult(skip_reason=said, cursor=cursor)


def _what_follows(instance: dg.DagsterInstance, ended: Sequence[str]) -> tuple[str, list[dg.RunRequest]]:
    """What comes next, in words and as the run that does it; neither where nothing has to be done."""
    job = collect_job.name
    failed = _failed_in_a_row(instance)
    if not ended and not failed:
        return "", []
    if instance.get_runs(dg.RunsFilter(job_name=job, statuses=_UNDER_WAY), limit=1):
        return f"the job {job} is at work already", []
    if ended:
        words = f"next: the job {job} fetches the results and brings all that follows as far as it goes"
        return words, [_collect_request(instance, ended)]
    if len(failed) >= MAX_FAILURES_IN_A_ROW:
        return f"the job {job} failed {len(failed)} times: see to it, then run it", []
    # What had ended is collected, but what follows from it is not done.
    return f"next: the job {job} once more, since it failed", [dg.RunRequest(run_key=f"after {failed[0]}")]


def _failed_in_a_row(instance: dg.DagsterInstance) -> list[str]:
    """The newest runs of the job that failed since the last one that did not, the newest first."""
    runs = instance.get_runs(dg.RunsFilter(job_name=collect_job.name), limit=MAX_FAILURES_IN_A_ROW)
    return [run.run_id for run in takewhile(lambda run: run.status == dg.DagsterRunStatus.FAILURE, runs)]


def _collect_request(instance: dg.DagsterInstance, ended: Sequence[str]) -> dg.RunRequest:
    """A run for these batches. A run key is used up even by a run that fails, so it carries the number of the try."""
    digest = hashlib.sha256("".join(sorted(ended)).encode()).hexdigest()[:16]
    tries = len(instance.get_runs(dg.RunsFilter(tags={_ENDED_TAG: digest})))
    return dg.RunRequest(run_key=f"{digest}#{tries}", tags={_ENDED_TAG: digest})


def _in_words(report: PollReport, found: ReconcileReport, ended: int, likely: Sequence[LikelyEnd]) -> str:
    words = [f"{report.pending} under way" if report.pending else "nothing is under way"]
    words += [f"{ended} ended"] if ended else ["nothing has ended"] if report.pending else []
    words += [
        f"{count} {what}"
        for count, what in (
            (len(report.failures), "could not be asked"),
            (len(found.adopted), "found again"),
            (len(found.released), "released, since the provider never had them"),
            (len(found.waiting) + len(found.failures), "looked for"),
        )
        if count
    ]
    ends = [
        f"{load_catalogue().provider(each.provider).name} likely by {each.likely_at:%H:%M}, "
        f"nine times of ten by {each.latest_at:%d %b %H:%M} UTC"
        for each in likely
    ]
    return "; ".join([", ".join(words), *ends])


def _cursor(said: str, report: PollReport, found: ReconcileReport, seconds: float) -> str:
    """What this tick saw, for people who look at the sensor's page."""
    seen = Counter(state.provider_status for state in report.states.values())
    return orjson.dumps(
        {
            "said": said,
            "seen": dict(seen),
            "could not be asked": len(report.failures),
            "found again": len(found.adopted),
            "looked for": len(found.waiting) + len(found.failures),
            "seconds": round(seconds, 1),
        }
    ).decode()
