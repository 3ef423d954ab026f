"""Working databases, and whole data directories, that are lost, damaged or older: nothing is paid for a second time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import PROVIDERS, DrillEnvironment
from grabient_pipeline import connect
from grabient_pipeline.batches.tick import tick
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import GrabientError, WarehouseError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings

# Where a DuckDB file has its blocks, and how large these are.
_HEADER_BYTES: Final = 3 * 4096
_BLOCK_BYTES: Final = 262_144
_CHECKSUM_BYTES: Final = 8
# How many places inside blocks with answers are damaged, each in a drill of its own, and how much there.
_PLACES: Final = 10
_DAMAGED_BYTES: Final = 16


@dataclass(frozen=True)
class _Loss:
    """A way to lose a ledger.

    Attributes:
        lose: changes the files. It gets the folder in which the older data directory was kept.
        keeps_folder: whether published copy and snapshots are still there.
    """

    name: str
    lose: Callable[[DrillEnvironment, Path], None]
    keeps_folder: bool = True


def lost_ledger_drills() -> Iterator[Drill]:
    """Yield the drills of every loss, at rest and while batches are under way, with and without snapshots."""
    for loss in _LOSSES:
        for under_way in (False, True):
            for snapshots in (False, True):
                moment = "batches under way" if under_way else "at rest"
                name = f"{loss.name}, {moment}, {'with' if snapshots else 'without'} snapshots"
                run = partial(_lose, loss=loss, under_way=under_way, snapshots=snapshots)
                yield Drill(f"lost ledger: {loss.name}", name, run, PROVIDERS)
    for place in range(_PLACES):
        loss = _Loss("damaged inside", partial(_damage_inside, place=place))
        run = partial(_lose, loss=loss, under_way=place % 2 == 1, snapshots=place % 3 > 0)
        yield Drill("lost ledger: damaged inside", f"damaged inside, place {place + 1}", run, PROVIDERS)
    for provider in PROVIDERS:
        yield Drill("lost ledger: state/ deleted", f"state/ deleted, {provider}, refinement", _lose_refinement,
                    (provider,), "refinement")  # fmt: skip


def put_back_older_ledger(environment: DrillEnvironment) -> None:
    """Submit everything, and put the data directory back as it was before."""
    older = environment.folder / "older"
    shutil.copytree(environment.data_dir, older)
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    shutil.rmtree(environment.data_dir)
    older.rename(environment.data_dir)


def adopt_without_palettes(environment: DrillEnvironment) -> None:
    """Submit everything, lose all, and collect it in a new ledger that has one of the palettes."""
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    shutil.rmtree(environment.data_dir)
    first = environment.folder / "first.txt"
    first.write_text(environment.palettes_file.read_text("utf-8").splitlines()[0], "utf-8")
    environment.run_checked("import", first)
    _adopt_everything(environment)
    environment.run_checked("poll")


def _lose(environment: DrillEnvironment, loss: _Loss, *, under_way: bool, snapshots: bool) -> None:
    first = (*environment.submit_command[:-1], "1")
    environment.run_checked(*first)
    environment.end_batches()
    environment.run_checked("poll")
    older = environment.folder / "older"
    shutil.copytree(environment.data_dir, older)
    elsewhere = environment.folder / "elsewhere"
    if snapshots:
        environment.run_checked("backup")
        environment.run_checked("backup", elsewhere)
    environment.run_checked(*environment.submit_command)
    if not under_way:
        environment.end_batches()
        environment.run_checked("poll")
    if not snapshots:
        # Those that the pipeline makes by itself are lost too.
        shutil.rmtree(environment.data_dir / "backups", ignore_errors=True)
    kept = _published_answers(environment)
    loss.lose(environment, older)
    if loss.keeps_folder:
        _assert_refused(environment, kept)
    _recover(environment, loss, elsewhere if snapshots else None)


def _assert_refused(environment: DrillEnvironment, kept: int) -> None:
    """Check that nothing begins or continues a ledger that was lost, and that the published answers stay."""
    for command in (("status",), ("poll",), environment.submit_command, ("reconcile",), ("config", "get")):
        refused = environment.run(*command)
        if refused.status != 1 or "grabient restore" not in refused.unwrapped_output:
            raise DrillFailed(f"a lost ledger was continued: {refused}")
        if "internal error" in refused.unwrapped_output:
            raise DrillFailed(f"a lost ledger is taken for a bug: {refused}")
    pipeline_variables = environment.variables()
    try:
        pipeline = Pipeline(Settings(environment.data_dir), pipeline_variables)
        tick(pipeline.workspace, Deadline.after(45))
    except WarehouseError:
        pass
    else:
        raise DrillFailed("the sensor's tick continued a lost ledger")
    answers = _published_answers(environment)
    if answers < kept:
        raise DrillFailed(f"the published file has {answers} answers instead of {kept}")


def _recover(environment: DrillEnvironment, loss: _Loss, elsewhere: Path | None) -> None:
    """Do what a person would: restore what there is, and look at the providers for the rest."""
    if loss.keeps_folder:
        environment.run_checked("restore", "--yes")
    elif elsewhere is not None:
        (copy,) = elsewhere.glob("*.duckdb")
        environment.run_checked("restore", copy, "--yes")
    elif not environment.data_dir.exists():
        environment.run_checked("import", environment.palettes_file)
    _adopt_everything(environment)
    environment.run("poll")
    environment.end_batches()
    # Batches of Anthropic's show only now whose they are.
    _adopt_everything(environment)
    environment.run("poll")
    environment.run("resume")


def _adopt_everything(environment: DrillEnvironment) -> None:
    document = environment.run_json("reconcile", "--margin", environment.margin_seconds)
    for ledger in document["other_ledgers"]:
        environment.run_checked("reconcile", "--adopt", ledger)


def _lose_refinement(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    environment.run_checked("poll")
    shutil.rmtree(environment.data_dir / "state")
    _assert_refused(environment, _published_answers(environment))
    environment.run_checked("restore", "--yes")
    environment.run_checked("resume")


def _published_answers(environment: DrillEnvironment) -> int:
    try:
        with connect(environment.data_dir) as connection:
            ((answers,),) = connection.execute("SELECT count(*) FROM tag_responses").fetchall()
    except GrabientError:
        return 0
    return int(answers)


def _working(environment: DrillEnvironment) -> Path:
    return Settings(environment.data_dir).warehouse


def _delete(environment: DrillEnvironment, _: Path) -> None:
    _working(environment).unlink()


def _empty(environment: DrillEnvironment, _: Path) -> None:
    _working(environment).write_bytes(b"")


def _truncate(environment: DrillEnvironment, _: Path) -> None:
    content = _working(environment).read_bytes()
    _working(environment).write_bytes(content[: len(content) // 2])


def _damage_header(environment: DrillEnvironment, _: Path) -> None:
    with _working(environment).open("rb+") as file:
        file.write(b"\0" * _HEADER_BYTES)


def _age(environment: DrillEnvironment, older: Path) -> None:
    shutil.copyfile(older / "state" / "warehouse.duckdb", _working(environment))


def _delete_state(environment: DrillEnvironment, _: Path) -> None:
    shutil.rmtree(environment.data_dir / "state")


def _delete_folder(environment: DrillEnvironment, _: Path) -> None:
    shutil.rmtree(environment.data_dir)


def _age_folder(environment: DrillEnvironment, older: Path) -> None:
    shutil.rmtree(environment.data_dir)
    shutil.copytree(older, environment.data_dir)


_LOSSES: Final = (
    _Loss("working file deleted", _delete),
    _Loss("working file empty", _empty),
    _Loss("working file cut in half", _truncate),
    _Loss("working file without a header", _damage_header),
    _Loss("working file older", _age),
    _Loss("state/ deleted", _delete_state),
    _Loss("data directory deleted", _delete_folder, keeps_folder=False),
    _Loss("data directory older", _age_folder, keeps_folder=False),
)


def _damage_inside(environment: DrillEnvironment, _: Path, place: int) -> None:
    """Damage one of ten columns' pieces of the working file that hold answers."""
    working = _working(environment)
    with duckdb.connect(str(working), read_only=True) as connection:
        pieces = connection.execute(
            "SELECT DISTINCT block_id, block_offset FROM pragma_storage_info('tag_responses') WHERE block_id >= 0 "
            "ORDER BY ALL"
        ).fetchall()
    block, offset_in_block = pieces[place * len(pieces) // _PLACES]
    # A block begins with its checksum. What is behind the last piece of a block is unused, and no damage.
    offset = _HEADER_BYTES + block * _BLOCK_BYTES + _CHECKSUM_BYTES + offset_in_block
    with working.open("rb+") as file:
        file.seek(offset)
        damaged = bytes(byte ^ 0xFF for byte in file.read(_DAMAGED_BYTES))
        file.seek(offset)
        file.write(damaged)
