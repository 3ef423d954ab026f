"""The store of files and batches, and the phases of a batch."""

import time

from grabient_pipeline.sandbox.batch import Batch, BatchOutcome, Phase
from grabient_pipeline.sandbox.store import Store, StoredFile


def test_a_new_store_deletes_partial_uploads(tmp_path):
    Store(tmp_path).new_upload().write_bytes(b"half")
    assert not list((Store(tmp_path).directory / "uploads").iterdir())


def test_the_phase_of_a_batch_follows_the_clock():
    batch = Batch("openai", "b", 100.0, 10.0, 4, "m", "f")
    assert batch.phase(105.0) is Phase.VALIDATING
    batch.checked = True
    assert [batch.phase(moment) for moment in (100.5, 105.0, 109.0)] == [Phase.VALIDATING, Phase.RUNNING, Phase.RUNNING]
    batch.outcome = BatchOutcome(ready=101.0)
    assert [batch.phase(moment) for moment in (109.0, 110.0)] == [Phase.FINALIZING, Phase.COMPLETED]
    batch.finished_share = 0.5
    assert batch.phase(110.0) is Phase.EXPIRED
    assert sum(batch.finishes(index) for index in range(100)) == 50


def test_result_files_appear_when_the_batch_ends(tmp_path):
    store = Store(tmp_path)
    content = store.new_upload()
    content.write_bytes(b"{}")
    store.add_file(StoredFile("openai", "file-1", "a", "batch_output", 2, time.time() + 60), content)
    assert store.file("openai", "file-1") is None
    assert store.files("openai") == []
