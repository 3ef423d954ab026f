"""The spool does not fill up with what killed processes left."""

from __future__ import annotations

import datetime as dt
import os
import time

from grabient_pipeline.batches.spool_cleanup import remove_stale


def age(path, days):
    moment = time.time() - days * 24 * 3600
    os.utime(path, (moment, moment))


def test_what_is_old_goes_and_what_may_be_in_use_stays(tmp_path):
    for name, days in (("old", 8), ("young", 6)):
        (tmp_path / f"{name}.requests").write_text("{}")
        folder = tmp_path / f"{name}.folder"
        folder.mkdir()
        (folder / "output.jsonl.part").write_text("half")
        age(tmp_path / f"{name}.requests", days)
        age(folder, days)
    assert remove_stale(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["young.folder", "young.requests"]


def test_a_link_is_deleted_and_not_followed(tmp_path):
    spool, elsewhere = tmp_path / "spool", tmp_path / "elsewhere"
    spool.mkdir()
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("kept")
    (spool / "link").symlink_to(elsewhere, target_is_directory=True)
    assert remove_stale(spool, dt.timedelta(seconds=-60)) == 1
    assert (elsewhere / "precious").exists()


def test_a_collection_sweeps(workbench):
    leftover = workbench.settings.spool_dir / "abc.requests"
    leftover.write_text("{}")
    age(leftover, 30)
    workbench.pipeline.collect()
    assert not leftover.exists()
