"""The facade: its reports agree with the tables, and no file contains a key."""

from __future__ import annotations

import datetime as dt

from grabient_pipeline.batches.tick import likely_ends
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings

MINI = "openai/gpt-4o-mini"
OSS = "groq/openai/gpt-oss-20b"


def test_status_agrees_with_the_tables(workbench):
    workbench.backfill(MINI, OSS, analysis_count=2)
    workbench.settle()
    workbench.arm("slow_batch", seconds=1000)
    workbench.backfill(MINI, analysis_count=3)
    status = workbench.pipeline.status()
    assert status.palettes == 3
    assert status.requests == workbench.states()
    assert status.batches == {"completed": 2, "submitted": 1}
    assert (status.answers, sum(model.answers for model in status.models)) == (12, 12)
    assert status.cost_usd == workbench.value("SELECT sum(cost_usd) FROM tag_batches")
    assert status.outstanding_usd == workbench.value(
        "SELECT estimated_cost_usd FROM tag_batches WHERE cost_usd IS NULL"
    )
    (open_batch,) = status.open_batches
    assert (open_batch.model, open_batch.request_count) == ("gpt-4o-mini", status.requests["in_flight"])


def test_the_likely_end_of_a_batch_is_estimated_from_earlier_ones(workbench):
    workbench.arm("slow_batch", seconds=1000)
    workbench.backfill(MINI, OSS, analysis_count=1)
    assert likely_ends(workbench.pipeline.workspace) == ()
    assert {batch.likely_at for batch in workbench.pipeline.status().open_batches} == {None}
    # Eleven batches that took 1 to 11 hours.
    with workbench.pipeline.warehouse.connect() as connection:
        connection.execute(
            """
            INSERT INTO tag_batches BY NAME
            SELECT
                tag_batches.* REPLACE (
                    concat('earlier-', hours) AS submission,
                    concat('batch-', hours) AS batch_id,
                    'completed' AS status,
                    submitted_at + to_hours(hours) AS completed_at,
                    submitted_at + to_hours(hours) AS collected_at
                )
            FROM tag_batches, range(1, 12) AS earlier (hours)
            WHERE provider = 'openai'
            """
        )
    (likely,) = likely_ends(workbench.pipeline.workspace)
    submitted = workbench.value(
        "SELECT submitted_at FROM tag_batches WHERE status = 'submitted' AND provider = 'openai'"
    )
    assert (likely.provider, likely.pending) == ("openai", 1)
    ((submitted,),) = workbench.rows(
        "SELECT submitted_at FROM tag_batches WHERE status = 'submitted' AND provider = 'openai'"
    )
    assert likely.likely_at - submitted == dt.timedelta(hours=6)
    assert likely.latest_at - submitted == dt.timedelta(hours=10)
    ends = {batch.provider: batch.likely_at for batch in workbench.pipeline.status().open_batches}
    assert ends == {"openai": likely.likely_at, "groq": None}


def test_the_status_of_an_empty_data_directory_is_empty(tmp_path):
    status = Pipeline(Settings(tmp_path), {}).status()
    assert (status.palettes, status.requests, status.open_batches) == (0, {}, ())


def test_images_are_drawn_once(workbench):
    assert workbench.pipeline.write_pictures().written == 3
    assert workbench.pipeline.write_pictures().written == 0
    urls = workbench.rows("SELECT image_url FROM palettes")
    assert all((workbench.settings.data_dir / url).is_file() for (url,) in urls)


def test_no_written_file_contains_a_key(workbench):
    keys = [value.encode() for name, value in workbench.environment.items() if name.endswith("_KEY")]
    workbench.backfill(MINI, OSS, analysis_count=1)
    workbench.settle()
    workbench.pipeline.write_pictures()
    files = [path for path in workbench.settings.data_dir.rglob("*") if path.is_file()]
    assert len(files) > 4
    for path in files:
        content = path.read_bytes()
        assert not any(key in content for key in keys), path
