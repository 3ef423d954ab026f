"""Files that killed processes left in the spool are removed."""

from __future__ import annotations

import datetime as dt
import os
import time

from grabient_pipeline.batches.spool_cleanup import remove_stale


def age(path, days):
    moment = time.time() - days * 24 * 3600
    os.utime(path, (moment, moment))


def test_old_files_are_removed_and_those_that_may_be_in_use_are_kept(tmp_path):
    for name, days in (("old", 8), ("young", 6)):
        (tmp_path / f"{name}.requests").write_text("{}")
        folder = tmp_path / f"{name}.folder"
        folder.mkdir()
        (folder / "output.jsonl.part").write_text("half")
        age(tmp_path / f"{name}.requests", days)
        age(folder, days)
    assert remove_stale(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["young.folder", "young.requests"]


def test_a_symbolic_link_is_deleted_but_not_followed(tmp_path):
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool.mkdir()
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    (spool / "link").symlink_to(elsewhere, target_is_directory=True)
    assert remove_stale(spool, dt.timedelta(seconds=-60)) == 1
    assert (elsewhere / "precious").exists()


def test_collecting_removes_stale_files(workbench):
    stale = workbench.settings.spool_dir / "abc.requests"
    stale.write_text("{}")
    age(stale, 30)
    workbench.pipeline.collect()
    assert not stale.exists()
