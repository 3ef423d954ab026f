"""`grabient backup` and `grabient restore`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.errors import GrabientError, SettingsError
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.settings import Settings
    from grabient_pipeline.warehouse.copies import LedgerCopy
    from grabient_pipeline.warehouse.restore import KnownCopies, RestoreReport


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup", epilog="Example: grabient backup /mnt/disk/grabient")(backup)
    app.command("restore", epilog="Example: grabient restore --yes")(restore)


def backup(
    place: Annotated[
        str | None,
        typer.Argument(metavar="[PLACE]", help="A folder, or s3://bucket/folder; data/backups by default."),
    ] = None,
    json: Json = False,
) -> None:
    """Write a backup of the ledger. It is read through once, so that a damaged file never counts as a backup."""
    settings = lazy.Settings.from_environment()
    warehouse = lazy.Warehouse.at(settings)
    in_bucket = place is not None and lazy.is_bucket_location(place)
    folder = warehouse.backups if place is None or in_bucket else Path(place).expanduser().absolute()
    written = lazy.back_up(warehouse, folder)
    address = lazy.upload_snapshot(written.path, place, os.environ) if place and in_bucket else str(written.path)
    if json:
        terminal.say_json({**_facts(written), "path": str(written.path), "address": address})
    else:
        terminal.say(f"Wrote {address} ({written.path.stat().st_size / 1e6:,.1f} MB): {_contents(written)}")


def restore(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="[PLACE]",
            help="A file, a folder, or s3://bucket/folder; by default the copy in the data directory that has come "
            "furthest.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    json: Json = False,
) -> None:
    """Put a copy of the ledger back as the working database. What was there before is kept beside it."""
    settings = lazy.Settings.from_environment()
    settings.create_directories()
    warehouse = lazy.Warehouse(settings.warehouse, settings.published)
    local = _local_place(place, warehouse.backups)
    known = lazy.find_copies(warehouse, local)
    if local is None and _nothing_to_restore(known):
        kept = lazy.republish(warehouse, known)
        _say_nothing_restored(known.working, kept, json=json)
        return
    chosen = lazy.choose_copy(known, local)
    if not json or not yes:
        _say_found(known, chosen)
    if not yes:
        _confirm()
    report = lazy.restore(warehouse, chosen, known)
    _say_restored(report, _look_at_providers(settings), json=json)


def _local_place(place: str | None, backups: Path) -> Path | None:
    if place is None:
        return None
    if lazy.is_bucket_location(place):
        return lazy.fetch_snapshot(place, backups, os.environ)
    return Path(place).expanduser().absolute()


def _nothing_to_restore(known: KnownCopies) -> bool:
    """Whether the working database is good, and has come at least as far as every good copy."""
    working = known.working
    if working is None or working.damage is not None:
        return False
    return all(
        copy.ledger_id in (None, working.ledger_id) and copy.revision <= working.revision
        for copy in known.others
        if copy.damage is None
    )


def _look_at_providers(settings: Settings) -> list[str]:
    """Look for batches at the providers that the restored ledger lacks; return what was found, in lines."""
    pipeline: Pipeline = lazy.Pipeline(settings, os.environ)
    if not pipeline.workspace.providers.keys:
        return [
            "No provider was asked, because no API key is set; the next grabient backfill asks those it submits to."
        ]
    try:
        report, listed = pipeline.reconcile(), pipeline.adopt()
    except GrabientError as error:
        return [f"The providers could not be asked: {error}"]
    adopted = (*report.adopted, *listed.adopted)
    found = [f"Adopted: {each.provider}/{each.model} {each.batch_id} ({each.evidence})" for each in adopted]
    reasons = {**report.failures, **listed.reasons}.values()
    return [*found, *listed.found.left, *(f"Not known: {reason}" for reason in dict.fromkeys(reasons))]


def _say_found(known: KnownCopies, chosen: LedgerCopy) -> None:
    for copy in known.all:
        mark = "chosen" if copy.path == chosen.path else "damaged" if copy.damage else "also there"
        terminal.note(f"{mark}: {copy.path}, written {copy.written_at:%Y-%m-%d %H:%M} UTC: {_contents(copy)}")
    for line in _missing(known, chosen):
        terminal.note(line, "yellow")
    terminal.note("What was sent or collected after the chosen copy was written is not in it.")


def _missing(known: KnownCopies, chosen: LedgerCopy) -> list[str]:
    """Say how much less a copy holds than others, even those that are damaged."""
    return [
        f"{each.path} is ahead (revision {each.revision}, not {chosen.revision}): the chosen copy has "
        f"{_less(each, chosen)} less"
        for each in known.ahead_of(chosen)
    ]


def _less(more: LedgerCopy, chosen: LedgerCopy) -> str:
    counts = (more.answers, more.batches, more.cost_usd, chosen.answers, chosen.batches, chosen.cost_usd)
    if None in counts:
        return "an unknown amount"
    answers, batches, cost, own_answers, own_batches, own_cost = (count or 0 for count in counts)
    return (
        f"{pluralize(max(0, int(answers - own_answers)), 'answer')}, "
        f"{pluralize(max(0, int(batches - own_batches)), 'batch', 'batches')} and {dollars(max(0.0, cost - own_cost))}"
    )


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise SettingsError("nothing was restored: pass --yes to confirm")
    if not typer.confirm("Restore it?", err=True):
        raise failed("nothing was restored")


def _say_restored(report: RestoreReport, looked: list[str], *, json: bool) -> None:
    if json:
        kept = [str(path) for path in report.kept]
        terminal.say_json({**_facts(report.copy), "restored_revision": report.revision, "kept": kept, "found": looked})
        return
    terminal.say(f"Restored {report.copy.path}: {_contents(report.copy)}")
    for path in report.kept:
        terminal.say(f"What was there before is in {path}")
    for line in looked:
        terminal.say(line)
    terminal.say("Nothing is paid for by itself until you run grabient resume. grabient poll collects what is pending.")


def _say_nothing_restored(working: LedgerCopy | None, kept: Path | None, *, json: bool) -> None:
    assert working is not None
    if json:
        aside = [str(kept)] if kept else []
        terminal.say_json({**_facts(working), "restored_revision": None, "kept": aside, "found": []})
        return
    terminal.say(f"Nothing was restored: {working.path} is good and has come furthest: {_contents(working)}")
    if kept:
        terminal.say(f"It was published again; the copy that could not be read is in {kept}")


def _contents(copy: LedgerCopy) -> str:
    if copy.damage and copy.answers is None and copy.batches is None:
        return f"cannot be read ({copy.damage})"
    answers = "unknown answers" if copy.answers is None else pluralize(copy.answers, "answer")
    batches = "unknown batches" if copy.batches is None else pluralize(copy.batches, "batch", "batches")
    spent = "" if copy.cost_usd is None else f" ({copy.open_batches:,} open), {dollars(copy.cost_usd)}"
    return f"{answers}, {batches}{spent}, revision {copy.revision}"


def _facts(copy: LedgerCopy) -> dict[str, Any]:
    return {
        "path": str(copy.path),
        "ledger": copy.ledger_id,
        "revision": copy.revision,
        "answers": copy.answers,
        "batches": copy.batches,
        "open_batches": copy.open_batches,
        "cost_usd": copy.cost_usd,
    }
