"""Importing from the earlier system: every age of its exports, every defect, and no document lost."""

from __future__ import annotations

import json
import signal
import struct
import zipfile
from dataclasses import replace

import polars.selectors as cs
import pytest
from openai import OpenAI

from grabient_pipeline.batches import parse
from grabient_pipeline.batches.collect import ended_batches
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest
from grabient_pipeline.batches.stages import TAGGING, Subject
from grabient_pipeline.convex import archive, documents, importer, steps
from grabient_pipeline.convex.archive import open_export
from grabient_pipeline.convex.model_names import UnresolvedModelError, model_resolver
from grabient_pipeline.errors import ImportFileError, MigrationError
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.registry import open_provider
from grabient_pipeline.sandbox import SandboxServer
from grabient_pipeline.settings import Settings
from grabient_pipeline.tagging import TAGGING_PROMPT
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.conftest import copy_template

PALETTES, ANALYSES, MODELS = 3, 2, len(exports.MODELS)
ANSWERS = PALETTES * ANALYSES * MODELS
# Times of the import itself, which differ between imports.
TIMES = (
    "created_at updated_at set_aside_at parsed_at counted_at received_at submitted_at completed_at collected_at "
    # Each ledger has its own.
    "ledger_id"
).split()
TABLES = (
    "config palettes palette_spellings prompt_versions tag_batches tag_requests tag_responses request_claims "
    "palette_tags palette_tag_refined unnumbered_palette_tags convex_set_aside answer_parses palette_tag_consensus"
).split()


@pytest.fixture
def pipeline(tmp_path, blank):
    return Pipeline(copy_template(blank, tmp_path / "data", sandbox=True), {})


@pytest.fixture
def rows(pipeline):
    def select(sql, parameters=None):
        with pipeline.warehouse.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    return select


@pytest.fixture
def write(tmp_path):
    def write_zip(tables, name="export.zip", **options):
        return exports.write_zip(tmp_path / name, tables, **options)

    return write_zip


def contents(pipeline):
    """Return the contents of all tables without the times of the import and the identity of the ledger."""
    with pipeline.warehouse.connect() as connection:
        found = {}
        for table in TABLES:
            # Sums of floating point numbers depend on their order.
            frame = connection.table(table).pl().drop(*TIMES, "ledger_id", "revision", strict=False)
            frame = frame.with_columns(cs.float().round(9))
            found[table] = sorted(map(repr, frame.iter_rows()))
        return found


class TestExportFormats:
    @pytest.mark.parametrize("age", exports.AGES)
    @pytest.mark.parametrize("packed", [True, False], ids=["zip", "folder"])
    def test_a_sound_export_is_imported_completely(self, pipeline, rows, write, tmp_path, age, packed):
        tables = exports.export(age)
        path = write(tables) if packed else exports.write_folder(tmp_path / "export", tables)
        report = steps.import_convex(pipeline, path)
        answers = report.tables["palette_tags"]
        assert (answers.read, answers.imported + answers.pending_index) == (ANSWERS, ANSWERS)
        assert answers.pending_index == (ANSWERS if age == "runs" else 0)
        assert report.tables["palettes"].imported == PALETTES
        assert report.tables["tag_batches"].imported == MODELS
        assert report.tables["palette_tag_refined"].imported == PALETTES
        assert rows("FROM convex_set_aside") == []
        assert report.broken == {}
        assert rows("SELECT count(*) FROM convex_imports") == [(0,)]
        assert ("config" in report.missing_tables) == (age == "cycles")

    def test_fields_map_to_columns(self, pipeline, rows, write):
        tables = exports.export("cycles")
        steps.import_convex(pipeline, write(tables))
        document = tables.documents["palette_tags"][0]
        ((provider, model, index, version, tags, usage, convex_id, made),) = rows(
            "SELECT provider, model, analysis_index, prompt_version, tags, usage, convex_id, "
            "epoch_ms(convex_created_at) FROM palette_tags WHERE convex_id = ?",
            [document["_id"]],
        )
        assert (provider, model, index, version) == ("anthropic", "claude-3-5-haiku-20241022", 0, exports.VERSION)
        assert tags["mood"] == document["tags"]["mood"]
        assert tags["temperature"] == document["tags"]["temperature"]
        assert usage == {"input_tokens": 900, "output_tokens": 150}
        assert (convex_id, made) == (document["_id"], int(document["_creationTime"]))
        # Fields that are no longer requested stay in the raw answer.
        ((text,),) = rows("SELECT text FROM tag_responses WHERE custom_id LIKE '%' || ?", [document["_id"]])
        assert json.loads(text) == document["tags"]

    def test_the_setting_is_imported_once_and_later_changes_stay(self, pipeline, write):
        path = write(exports.export("indexes", analyses=5))
        steps.import_convex(pipeline, path)
        assert pipeline.analysis_count() == 5
        pipeline.set_analysis_count(7)
        steps.import_convex(pipeline, path)
        assert pipeline.analysis_count() == 7

    def test_a_published_picture_replaces_a_local_file(self, pipeline, rows, write, tmp_path):
        tables = exports.export("indexes")
        seed = tables.documents["palettes"][0]["seed"]
        file = tmp_path / "seeds.txt"
        file.write_text(seed)
        pipeline.import_palettes([file])
        steps.import_convex(pipeline, write(tables))
        assert rows("SELECT image_url FROM palettes WHERE seed = ?", [seed]) == [
            ("https://images.example.com/palettes/0.png",)
        ]

    def test_old_prompts_keep_their_hashes(self, pipeline, rows, write):
        steps.import_convex(pipeline, write(exports.export("cycles"), "last.zip"))
        assert rows("SELECT version, stage, content <> '' FROM prompt_versions ORDER BY version") == [
            (exports.VERSION, "tagging", True),
            (exports.NEWER_VERSION, "tagging", True),
            (exports.REFINEMENT_VERSION, "refinement", True),
        ]

    def test_a_prompt_without_content_gets_it_from_a_later_export(self, pipeline, rows, write):
        tables = exports.export("indexes")
        steps.import_convex(pipeline, write(tables))
        content = "SELECT content FROM prompt_versions WHERE version = ?"
        assert rows(content, [exports.VERSION]) == [("",)]
        tables.add("prompt_versions", exports.document("v", 0, version=exports.VERSION, type="tagging", content="Tag!"))
        steps.import_convex(pipeline, write(tables, "later.zip"))
        assert rows(content, [exports.VERSION]) == [("Tag!",)]

    def test_refinements_keep_their_old_embed_text(self, pipeline, rows, write):
        tables = exports.export("cycles")
        steps.import_convex(pipeline, write(tables))
        kept = rows("SELECT provider, model, prompt_version, convex_fields, embed_text FROM palette_tag_refined")
        assert {row[:3] for row in kept} == {("anthropic", "claude-opus-4-5-20251101", exports.REFINEMENT_VERSION)}
        assert {json.loads(row[3])["embedText"] for row in kept} == {f"the embed text of {n}" for n in range(PALETTES)}
        assert all(row[4] for row in kept)
        assert pipeline.status().refined == PALETTES

    def test_the_newest_of_several_refinements_counts_and_all_are_kept(self, pipeline, rows, write):
        tables = exports.export("cycles")
        again = {**tables.documents["palette_tag_refined"][0], **exports.document("q", 9), "cycle": 2.0}
        tables.add("palette_tag_refined", again)
        report = steps.import_convex(pipeline, write(tables)).tables["palette_tag_refined"]
        assert (report.imported, report.conflicts.total()) == (PALETTES + 1, 1)
        assert (again["_id"],) in rows("SELECT convex_id FROM palette_tag_refined")
        assert rows(
            "SELECT count(*) FROM tag_responses JOIN tag_requests USING (custom_id) WHERE stage = 'refinement'"
        ) == [(PALETTES + 1,)]


# The outcome of each defect: (table, additional imported rows, rejection, conflict, repair).
OUTCOMES = {
    "another spelling": ("palettes", 1, "", "", "another encoding"),
    "doubled palette": ("palettes", 0, "", "two documents for one seed", ""),
    "seed that is none": ("palettes", 0, "is not a palette", "", ""),
    "palette without a seed": ("palettes", 0, "has no text in seed", "", ""),
    "answer to a seed that is none": ("palette_tags", 0, "is not a palette", "", ""),
    "palette that only its answers name": ("palette_tags", 1, "", "", "palettes added that only their answers name"),
    "unknown model": ("palette_tags", 0, "the model cannot be determined", "", ""),
    "unknown provider": ("palette_tags", 0, "the model cannot be determined", "", ""),
    "names of two models": ("palette_tags", 0, "the model cannot be determined", "", ""),
    "error": ("palette_tags", 1, "", "", ""),
    "error and its success": ("palette_tags", 1, "", "the usable one won over an error", ""),
    "doubled answer": ("palette_tags", 1, "", "the one that came first stays", ""),
    "index with a fraction": ("palette_tags", 0, "analysisIndex is not an integer", "", ""),
    "index below 0": ("palette_tags", 0, "analysisIndex is below 0", "", ""),
    "run 0": ("palette_tags", 0, "runNumber is below 1", "", ""),
    "neither index nor run": ("palette_tags", 0, "", "", ""),
    "no prompt version": ("palette_tags", 1, "", "", "no prompt version"),
    "tags that are none": ("palette_tags", 2, "", "", ""),
    "line that is not JSON": ("palette_tags", 0, "is not JSON", "", ""),
    "line that is no object": ("palette_tags", 0, "is JSON, but not an object", "", ""),
    "line that is no UTF-8": ("palette_tags", 0, "is not JSON", "", ""),
    "document without an id": ("palette_tags", 1, "", "", ""),
    "setting out of bounds": ("config", 0, "tagAnalysisCount is not from 1 to 20", "", ""),
    "batch with an unknown status": ("tag_batches", 0, "has an unknown status", "", ""),
    "batch under way": ("tag_batches", 1, "", "", ""),
    "batch under way without an id": (
        "tag_batches",
        0,
        "is in progress, but its id at the provider is missing",
        "",
        "",
    ),
    "batch under way at Google": ("tag_batches", 0, "is in progress at Google", "", ""),
}
SOUND = {"config": 1, "palettes": PALETTES, "palette_tags": ANSWERS, "tag_batches": MODELS}


class TestDefects:
    def test_every_defect_has_its_outcome(self):
        assert OUTCOMES.keys() == exports.DEFECTS.keys()

    @pytest.mark.parametrize("defect", exports.DEFECTS)
    def test_a_defect_is_reported_and_the_rest_is_imported(self, pipeline, rows, write, defect):
        table, more, rejected, conflict, repaired = OUTCOMES[defect]
        tables = exports.export("indexes")
        exports.DEFECTS[defect](tables)
        report = steps.import_convex(pipeline, write(tables)).tables[table]
        assert report.imported == SOUND[table] + more
        assert [reason for reason in report.rejected if rejected and reason.startswith(rejected)] or not rejected
        assert report.rejected.total() == bool(rejected)
        assert any(conflict in reason for reason in report.conflicts) or not conflict
        assert report.conflicts.total() == bool(conflict)
        assert any(repaired in reason for reason in report.repaired) or not repaired
        # Every line is accounted for, and rejected documents are kept unchanged.
        assert report.read == (
            report.imported
            + report.already_there
            + report.pending_index
            + report.rejected.total()
            + report.conflicts.total()
        )
        kept = rows("SELECT kind, reason, document FROM convex_set_aside")
        assert len(kept) == bool(rejected) + bool(conflict)
        assert all(document and reason for _, reason, document in kept)

    def test_all_defects_together_and_a_second_import(self, pipeline, write):
        tables = exports.export("indexes")
        for damage in exports.DEFECTS.values():
            damage(tables)
        path = write(tables)
        first = steps.import_convex(pipeline, path)
        before = contents(pipeline)
        second = steps.import_convex(pipeline, path)
        assert contents(pipeline) == before
        for name, table in second.tables.items():
            assert table.imported == table.pending_index == 0
            if not table.left_out:
                earlier = first.tables[name]
                assert table.already_there == earlier.imported + earlier.already_there + earlier.pending_index
                assert (table.rejected, table.conflicts) == (earlier.rejected, earlier.conflicts)

    def test_an_error_keeps_its_text_and_may_be_requested_again(self, pipeline, rows, write):
        tables = exports.export("indexes")
        exports.DEFECTS["error"](tables)
        steps.import_convex(pipeline, write(tables))
        assert rows("SELECT error, tags FROM palette_tags WHERE analysis_index = 11") == [
            ("errored: Parse error: Unexpected token", None)
        ]
        assert rows("SELECT state FROM tag_requests WHERE analysis_index = 11") == [("failed",)]

    @pytest.mark.parametrize("order", [1, -1], ids=["error first", "success first"])
    @pytest.mark.parametrize("piece", [1, 50_000], ids=["one by one", "together"])
    def test_a_usable_answer_wins_over_an_error_in_any_order(self, pipeline, rows, write, monkeypatch, order, piece):
        monkeypatch.setattr(importer, "LINES_PER_CHUNK", piece)
        tables = exports.export("indexes", palettes=1, analyses=1, models=exports.MODELS[:1])
        exports.DEFECTS["error and its success"](tables)
        tables.documents["palette_tags"][1:] = tables.documents["palette_tags"][1:][::order]
        report = steps.import_convex(pipeline, write(tables)).tables["palette_tags"]
        assert report.conflicts.total() == 1
        assert rows("SELECT error, tags IS NULL FROM palette_tags WHERE analysis_index = 12") == [(None, False)]

    def test_two_encodings_are_one_palette_with_both_recorded(self, pipeline, rows, write):
        tables = exports.export("indexes")
        exports.DEFECTS["another spelling"](tables)
        steps.import_convex(pipeline, write(tables))
        ((palette_id, seed),) = rows(
            "SELECT palette_id, seed FROM palettes WHERE convex_id = ?", [exports.convex_id("p", 0)]
        )
        assert len(rows("FROM palettes")) == PALETTES
        spelt = rows("SELECT convex_id FROM palette_spellings WHERE palette_id = ? ORDER BY convex_id", [palette_id])
        assert spelt == [(exports.convex_id("p", 0),), (exports.convex_id("y", 1),)]
        assert rows("SELECT seed FROM palette_tags WHERE analysis_index = 17") == [(seed,)]

    def test_a_rejected_document_is_imported_once_it_is_valid(self, pipeline, rows, write, monkeypatch):
        tables = exports.export("indexes")
        exports.DEFECTS["unknown model"](tables)
        path = write(tables)
        steps.import_convex(pipeline, path)
        assert rows("SELECT kind, line_number FROM convex_set_aside") == [("undecided", ANSWERS + 1)]
        named = model_resolver()
        named._ids["groq"]["llama-9"] = "llama-9"
        try:
            documents._resolve_names.cache_clear()
            assert steps.import_convex(pipeline, path).tables["palette_tags"].imported == 1
        finally:
            del named._ids["groq"]["llama-9"]
            documents._resolve_names.cache_clear()
        assert rows("FROM convex_set_aside") == []

    def test_a_missing_table_is_reported_and_the_rest_is_imported(self, pipeline, rows, write):
        report = steps.import_convex(pipeline, write(exports.export("indexes"), missing=("palettes", "tag_batches")))
        assert {"palettes", "tag_batches"} <= set(report.missing_tables)
        assert report.tables["palette_tags"].imported == ANSWERS
        assert rows("SELECT count(*) FROM palettes") == [(PALETTES,)]

    def test_other_tables_are_reported_and_not_imported(self, pipeline, write):
        report = steps.import_convex(pipeline, write(exports.export("cycles")))
        assert report.tables["stats_cache"].left_out == "has no counterpart here"
        assert report.tables["palette_tag_consensus"].left_out == "recounted from the answers"


class TestLedger:
    @pytest.fixture
    def today(self):
        """An export whose answers are for the current prompt, so a backfill would otherwise request them again."""
        tables = exports.export("indexes")
        for document in tables.documents["palette_tags"]:
            document["promptVersion"] = TAGGING_PROMPT.version
        return tables

    def backfill(self, pipeline, **options):
        environment = {provider.key_variable: "sandbox-key" for provider in load_catalogue().providers.values()}
        asking = Pipeline(pipeline.settings, environment)
        return asking.backfill(BackfillRequest(dry_run=True, include_retired=True, **options))

    def test_no_backfill_pays_for_what_was_imported(self, pipeline, write, today):
        steps.import_convex(pipeline, write(today))
        assert self.backfill(pipeline, analysis_count=ANALYSES).request_count == 0
        assert self.backfill(pipeline, analysis_count=ANALYSES + 1).request_count == PALETTES * MODELS

    def test_failed_answers_may_be_requested_again(self, pipeline, write, today):
        today.documents["palette_tags"][0] |= {"tags": None, "error": "rate limited"}
        steps.import_convex(pipeline, write(today))
        assert self.backfill(pipeline, analysis_count=ANALYSES).request_count == 1

    def test_answers_without_an_index_block_a_backfill(self, pipeline, write, today):
        del today.documents["palette_tags"][0]["analysisIndex"]
        steps.import_convex(pipeline, write(today))
        with pytest.raises(MigrationError, match="grabient migrate run-number first"):
            self.backfill(pipeline)
        steps.migrate_run_numbers(pipeline)
        assert self.backfill(pipeline, analysis_count=ANALYSES).request_count == 0

    def test_imported_answers_count_with_the_cost_of_their_tokens(self, pipeline, rows, write):
        steps.import_convex(pipeline, write(exports.export("indexes")))
        assert rows("SELECT DISTINCT total_models, total_analyses FROM palette_tag_consensus") == [
            (MODELS, MODELS * ANALYSES)
        ]
        status = pipeline.status()
        assert status.usable_answers == ANSWERS
        ((cost,),) = rows("SELECT sum(cost_usd) FROM palette_tags")
        assert status.cost_usd == pytest.approx(cost + rows("SELECT sum(cost_usd) FROM palette_tag_refined")[0][0])
        assert status.outstanding_usd == 0

    def test_reparsing_loses_nothing(self, pipeline, rows, write):
        tables = exports.export("both")
        exports.DEFECTS["error"](tables)
        steps.import_convex(pipeline, write(tables))
        before = contents(pipeline)
        assert pipeline.parse_answers().answers == 0
        better = replace(TAGGING, parser_version=TAGGING.parser_version + 1)
        report = parse.parse_answers(pipeline.workspace, better)
        assert report.usable == ANSWERS
        after = contents(pipeline)
        del before["answer_parses"], after["answer_parses"]
        assert after == before

    def test_imported_refinements_are_not_requested_again(self, pipeline, write):
        steps.import_convex(pipeline, write(exports.export("cycles")))
        environment = {"ANTHROPIC_API_KEY": "sandbox-key"}
        refining = Pipeline(pipeline.settings, environment)
        report = refining.refine(RefinementRequest(dry_run=True, max_cost_usd=0))
        assert (report.batches.request_count, report.stale_palettes) == (0, PALETTES)
        assert report.stale_cost_usd > 0
        stale = refining.refine(RefinementRequest(dry_run=True, stale=True))
        assert stale.batches.request_count == PALETTES

    def test_an_answer_of_this_pipeline_is_not_replaced(self, workbench, write):
        workbench.backfill("openai/gpt-4o-mini", analysis_count=1)
        workbench.settle()
        ((seed, index, tags),) = workbench.rows(
            "SELECT seed, analysis_index, tags FROM palette_tags WHERE tags IS NOT NULL ORDER BY seed LIMIT 1"
        )
        tables = exports.export("indexes", palettes=1, analyses=1, models=(("openai", "gpt-4o-mini"),))
        tables.documents["palettes"][0]["seed"] = tables.documents["palette_tags"][0]["seed"] = seed
        tables.documents["palette_tags"][0]["promptVersion"] = TAGGING_PROMPT.version
        report = steps.import_convex(workbench.pipeline, write(tables)).tables["palette_tags"]
        assert report.conflicts == {"two answers for one key: the one that came first stays": 1}
        assert workbench.rows("SELECT tags FROM palette_tags WHERE seed = ? AND analysis_index = ?", [seed, index]) == [
            (tags,)
        ]


class TestInterrupted:
    @pytest.fixture
    def damaged(self, write):
        tables = exports.export("indexes", palettes=6, analyses=3)
        for damage in exports.DEFECTS.values():
            damage(tables)
        return write(tables)

    def test_a_dry_run_reports_the_same_and_writes_nothing(self, pipeline, damaged):
        def files():
            return {path: path.stat().st_mtime_ns for path in pipeline.settings.data_dir.rglob("*") if path.is_file()}

        pipeline.settings.warehouse.unlink()
        report = steps.import_convex(pipeline, damaged, dry_run=True)
        assert not pipeline.settings.warehouse.exists()
        pipeline.warehouse.publish()
        before = files()
        again = steps.import_convex(pipeline, damaged, dry_run=True)
        assert {path for path in files() if path.suffix != ".lock"} == {p for p in before if p.suffix != ".lock"}
        assert all(stamp == before[path] for path, stamp in files().items() if path.suffix == ".duckdb")
        done = steps.import_convex(pipeline, damaged)
        assert report.tables == again.tables == done.tables
        assert report.dry_run and not done.dry_run

    @pytest.mark.parametrize("killed_at", [2, 5, 9, 13])
    def test_a_killed_import_resumes_where_it_stopped(
        self, pipeline, tmp_path, damaged, run_python, monkeypatch, killed_at
    ):
        """The report and the tables equal those of an uninterrupted import."""
        process = run_python(KILLED, tmp_path / "killed", damaged, killed_at)
        process.wait(60)
        assert process.returncode == -signal.SIGKILL, process.stderr.read()
        monkeypatch.setattr(importer, "LINES_PER_CHUNK", 20)
        resumed = Pipeline(Settings(tmp_path / "killed", sandbox=True), {})
        report = steps.import_convex(resumed, damaged)
        assert report.resumed
        expected = steps.import_convex(pipeline, damaged)
        assert report.tables == expected.tables
        assert contents(resumed) == contents(pipeline)

    def test_another_export_does_not_resume_the_interrupted_one(self, tmp_path, damaged, run_python, write):
        process = run_python(KILLED, tmp_path / "killed", damaged, 3)
        process.wait(60)
        report = steps.import_convex(
            Pipeline(Settings(tmp_path / "killed"), {}), write(exports.export("both"), "other.zip")
        )
        assert not report.resumed


KILLED = """
import os, signal, sys
from pathlib import Path
from grabient_pipeline.convex import importer, steps
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings

class Killed:
    pieces = 0
    def advance(self, task, count, total):
        self.pieces += 1
        if self.pieces == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
    def note(self, line):
        pass

importer.LINES_PER_CHUNK = 20
steps.import_convex(Pipeline(Settings(Path(sys.argv[1]), sandbox=True), {}), Path(sys.argv[2]), progress=Killed())
"""


class TestArchives:
    def refused(self, pipeline, path, match):
        with pytest.raises(ImportFileError, match=match) as error:
            steps.import_convex(pipeline, path)
        assert "\n" not in str(error.value)

    def test_a_truncated_zip(self, pipeline, write):
        path = write(exports.export("indexes"))
        path.write_bytes(path.read_bytes()[:-500])
        self.refused(pipeline, path, "not a complete zip .* export it again. Nothing was imported")

    @pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all" * 100], ids=["empty", "two bytes", "text"])
    def test_files_that_are_not_zips(self, pipeline, tmp_path, content):
        path = tmp_path / "export.zip"
        path.write_bytes(content)
        self.refused(pipeline, path, "not a complete zip")

    def test_a_table_that_is_corrupt_in_the_middle(self, pipeline, write):
        """The part before the corruption is imported, and so are the other tables."""
        path = write(exports.export("indexes", palettes=200))
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as opened:
            entry = opened.getinfo("palette_tags/documents.jsonl")
        middle = entry.header_offset + entry.compress_size // 2
        data[middle : middle + 50] = bytes(50)
        path.write_bytes(data)
        report = steps.import_convex(pipeline, path)
        assert list(report.broken) == ["palette_tags"]
        assert "cannot be read beyond line" in report.broken["palette_tags"]
        assert 0 < report.tables["palette_tags"].imported < 200 * ANALYSES * MODELS
        assert report.tables["palette_tag_refined"].imported == 200

    def test_a_zip_bomb(self, pipeline, write, tmp_path):
        path = write(exports.export("indexes"), missing=("palette_tags",))
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("palette_tags/documents.jsonl", b"0" * (20 * 1024**2))
        report = steps.import_convex(pipeline, path)
        assert ["would unpack to" in line for line in report.refused] == [True]
        assert "palette_tags" not in report.tables
        assert report.tables["palettes"].imported == PALETTES

    def test_a_false_size(self, pipeline, write):
        """The directory declares a small size, and nothing beyond it is read."""
        path = write(exports.export("indexes"), missing=("config",))
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr("config/documents.jsonl", b"1" * (20 * 1024**2))
            entry = opened.getinfo("config/documents.jsonl")
            sizes = struct.pack("<LL", entry.compress_size, entry.file_size)
        data = path.read_bytes()
        lies = struct.pack("<LL", entry.compress_size, 1000)
        path.write_bytes(data.replace(sizes, lies))
        report = steps.import_convex(pipeline, path)
        assert "cannot be read beyond" in report.broken["config"]
        assert report.tables["palette_tags"].imported == ANSWERS

    def test_too_many_bytes_in_total(self, pipeline, write, monkeypatch):
        monkeypatch.setattr(archive, "MAX_BYTES", 10_000)
        self.refused(pipeline, write(exports.export("indexes")), "would unpack to .* Nothing was imported")

    def test_too_many_entries(self, pipeline, write, monkeypatch):
        monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
        self.refused(pipeline, write(exports.export("indexes")), "entries")

    @pytest.mark.parametrize(
        "name", ["../config", "/etc/config", "..\\config", "C:/config", "a/../../config"], ids=lambda name: repr(name)
    )
    def test_a_path_outside_the_export(self, pipeline, write, tmp_path, name):
        path = write(exports.export("indexes"), missing=("config",))
        with zipfile.ZipFile(path, "a") as opened:
            opened.writestr(f"{name}/documents.jsonl", '{"_id":"c","tagAnalysisCount":3}\n')
        report = steps.import_convex(pipeline, path)
        assert ["outside the export" in line for line in report.refused] == [True]
        assert pipeline.analysis_count() == 8
        assert {entry.name for entry in tmp_path.iterdir()} == {"data", "export.zip"}

    def test_a_link_and_an_encrypted_entry(self, pipeline, write):
        path = write(exports.export("indexes"), missing=("config", "palette_tag_refined"))
        with zipfile.ZipFile(path, "a") as opened:
            link = zipfile.ZipInfo("config/documents.jsonl")
            link.external_attr = 0o120777 << 16
            opened.writestr(link, "/etc/passwd")
        data = bytearray(path.read_bytes())
        place = data.rindex(b"tag_batches/documents.jsonl") - 46
        data[place + 8] |= 1
        path.write_bytes(data)
        report = steps.import_convex(pipeline, path)
        assert sorted(line.split("; ")[0].split(" ", 1)[1] for line in report.refused) == ["is a link", "is encrypted"]
        assert report.tables["palette_tags"].imported == ANSWERS

    def test_a_link_in_a_folder(self, pipeline, tmp_path):
        secret = tmp_path / "secret.jsonl"
        secret.write_text('{"_id":"c","tagAnalysisCount":3}\n')
        tables = exports.export("indexes")
        del tables.documents["config"]
        folder = exports.write_folder(tmp_path / "export", tables)
        (folder / "config").mkdir()
        (folder / "config" / "documents.jsonl").symlink_to(secret)
        report = steps.import_convex(pipeline, folder)
        assert ["outside the export" in line for line in report.refused] == [True]
        assert pipeline.analysis_count() == 8

    def test_tables_of_components_are_ignored(self, pipeline, write):
        path = write(exports.export("indexes"))
        with zipfile.ZipFile(path, "a") as opened:
            opened.writestr("_components/stats/palettes/documents.jsonl", '{"seed": "none"}\n')
        report = steps.import_convex(pipeline, path)
        assert (report.tables["palettes"].read, report.refused) == (PALETTES, ())

    def test_a_folder_with_the_zip_in_it(self, pipeline, tmp_path):
        folder = tmp_path / "downloads"
        folder.mkdir()
        self.refused(pipeline, folder, "is not a Convex export")
        exports.write_zip(folder / "snapshot.zip", exports.export("indexes"))
        assert steps.import_convex(pipeline, folder).tables["palettes"].imported == PALETTES
        exports.write_zip(folder / "other.zip", exports.export("indexes"))
        self.refused(pipeline, folder, "contains 2 zips")

    def test_a_zip_of_the_unpacked_folder(self, pipeline, write):
        path = write(exports.export("indexes"), prefix="snapshot_17/")
        assert steps.import_convex(pipeline, path).tables["palettes"].imported == PALETTES

    def test_two_exports_in_one_zip(self, pipeline, write):
        path = write(exports.export("indexes"), prefix="one/")
        with zipfile.ZipFile(path, "a") as opened:
            opened.writestr("two/stats_cache/documents.jsonl", "")
        self.refused(pipeline, path, "contains several exports")

    def test_a_zip_without_tables_and_a_missing_file(self, pipeline, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
            opened.writestr("README.md", "x")
        self.refused(pipeline, tmp_path / "a.zip", "is not a Convex export")
        self.refused(pipeline, tmp_path / "gone.zip", "there is no such file or folder")

    def test_an_endless_line(self, pipeline, rows, write, monkeypatch):
        monkeypatch.setattr(archive, "MAX_LINE_LENGTH", 10_000)
        tables = exports.export("indexes")
        tables.documents["palette_tags"].insert(1, b'{"x":"' + b"y" * 300_000 + b'"}')
        report = steps.import_convex(pipeline, write(tables)).tables["palette_tags"]
        assert report.rejected == {"is longer than any document": 1}
        assert (report.read, report.imported) == (ANSWERS + 1, ANSWERS)
        ((line, document),) = rows("SELECT line_number, document FROM convex_set_aside")
        assert (line, len(document)) == (2, 1000)

    def test_the_fingerprint_identifies_the_contents(self, write, tmp_path):
        def fingerprint(path):
            with open_export(path) as export:
                return export.fingerprint

        one = write(exports.export("indexes"), "a.zip")
        assert fingerprint(one) == fingerprint(write(exports.export("indexes"), "b.zip"))
        assert fingerprint(one) != fingerprint(write(exports.export("both"), "c.zip"))


class TestModelNames:
    @pytest.mark.parametrize(
        ("provider", "model", "meant"),
        [
            ("groq", "openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
            ("groq-gpt-oss-20b", "openai/gpt-oss-20b", "groq/openai/gpt-oss-20b"),
            ("groq-gpt-oss-20b", "gpt-oss-20b", "groq/openai/gpt-oss-20b"),
            ("groq-gpt-oss-20b", "", "groq/openai/gpt-oss-20b"),
            ("groq_gpt-oss-120b", "gpt-oss-120b", "groq/openai/gpt-oss-120b"),
            ("groq-llama3", "llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
            ("groq", "gpt-oss-120b", "groq/openai/gpt-oss-120b"),
            ("groq", "llama-4-scout-17b-16e-instruct", "groq/meta-llama/llama-4-scout-17b-16e-instruct"),
            ("groq", "qwen3-32b", "groq/qwen/qwen3-32b"),
            ("Groq ", "QWEN/qwen3-32b", "groq/qwen/qwen3-32b"),
            ("", "qwen3-32b", "groq/qwen/qwen3-32b"),
            ("google", "models/gemini-2.0-flash", "google/gemini-2.0-flash"),
            ("openai", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
            ("openai", "gpt-5-mini", "openai/gpt-5-mini"),
            ("groq", "llama-3.1-8b-instant", "groq/llama-3.1-8b-instant"),
        ],
    )
    def test_unambiguous_names_are_resolved(self, provider, model, meant):
        named = model_resolver().resolve(provider, model)
        assert f"{named.provider}/{named.model}" == meant
        assert (named.repair is None) == (f"{provider}/{model}" == meant)

    @pytest.mark.parametrize(
        ("provider", "model"),
        [
            ("", ""),
            ("acme", "x"),
            ("groq", ""),
            ("groq", "llama-9"),
            ("openai", "gpt-oss-20b"),
            ("openai", "openai/gpt-oss-20b"),
            ("groq-qwen3-32b", "openai/gpt-oss-20b"),
            ("groqqy", "llama-9"),
            ("groq-gpt-oss-20b", "llama-9"),
        ],
    )
    def test_ambiguous_and_unknown_names_are_errors(self, provider, model):
        with pytest.raises(UnresolvedModelError):
            model_resolver().resolve(provider, model)


class TestRunNumbers:
    def documents(self, *numbers):
        """Return answers of one model to one palette: (analysis index, run number), None for a missing one."""
        tables = exports.export("indexes", palettes=1, analyses=1, models=(("openai", "gpt-4o-mini"),))
        (first,) = tables.documents.pop("palette_tags")
        for place, (index, run) in enumerate(numbers):
            row = {**first, **exports.document("t", place)}
            del row["analysisIndex"]
            row |= {} if index is None else {"analysisIndex": float(index)}
            row |= {} if run is None else {"runNumber": float(run)}
            tables.add("palette_tags", row)
        return tables

    def numbered(self, rows):
        """Return the analysis indexes by document number."""
        found = rows("SELECT convex_id, analysis_index FROM palette_tags ORDER BY convex_id")
        return {int(convex_id[1:]): index for convex_id, index in found}

    @pytest.mark.parametrize(
        ("numbers", "expected", "conflicts"),
        [
            pytest.param([(None, 1), (None, 2)], {0: 0, 1: 1}, 0, id="run number less 1"),
            pytest.param([(5, 1)], {0: 5}, 0, id="both: the index stays"),
            pytest.param([(None, None)], {0: 0}, 0, id="neither: 0"),
            pytest.param([(0, None), (None, None)], {0: 0, 1: 1}, 0, id="neither, 0 taken: the next"),
            pytest.param(
                [(0, None), (2, None), (None, None), (None, None)], {0: 0, 1: 2, 2: 1, 3: 3}, 0, id="gaps first"
            ),
            pytest.param([(None, 1), (None, None)], {0: 0, 1: 1}, 0, id="a run number goes before neither"),
            pytest.param([(0, None), (None, 1)], {0: 0}, 1, id="a collision with an index"),
            pytest.param([(None, 3), (None, 3)], {0: 2}, 1, id="a collision of two run numbers"),
            pytest.param([(None, None)] * 4, {0: 0, 1: 1, 2: 2, 3: 3}, 0, id="four with neither"),
        ],
    )
    def test_every_answer_gets_its_index(self, pipeline, rows, write, numbers, expected, conflicts):
        path = write(self.documents(*numbers))
        steps.import_convex(pipeline, path)
        check = steps.check_run_numbers(pipeline)
        assert check.only_run_number == sum(index is None and run is not None for index, run in numbers)
        assert check.neither == sum(index is None and run is None for index, run in numbers)
        assert check.both == sum(index is not None and run is not None for index, run in numbers)
        assert check.only_analysis_index == sum(index is not None and run is None for index, run in numbers)
        assert check.collisions == conflicts
        report = steps.migrate_run_numbers(pipeline)
        assert (report.from_run_number, report.to_zero, report.to_next_free) == (
            check.from_run_number,
            check.to_zero,
            check.to_next_free,
        )
        assert report.conflicts.total() == conflicts
        assert self.numbered(rows) == expected
        assert len(rows("FROM convex_set_aside")) == conflicts
        assert steps.check_run_numbers(pipeline).clean

    def test_a_second_migration_changes_nothing(self, pipeline, write):
        path = write(self.documents((0, None), (None, 1), (None, 2), (None, None), (7, 3)))
        steps.import_convex(pipeline, path)
        steps.migrate_run_numbers(pipeline)
        before = contents(pipeline)
        assert steps.migrate_run_numbers(pipeline).as_dict() == {
            "from_run_number": 0,
            "to_zero": 0,
            "to_next_free": 0,
            "conflicts": {},
        }
        assert contents(pipeline) == before
        again = steps.import_convex(pipeline, path).tables["palette_tags"]
        assert (again.imported, again.pending_index, again.already_there, again.conflicts.total()) == (0, 0, 4, 1)
        assert contents(pipeline) == before

    def test_migrated_answers_are_in_the_ledger(self, pipeline, rows, write):
        steps.import_convex(pipeline, write(exports.export("runs")))
        assert pipeline.status().answers == 0
        steps.migrate_run_numbers(pipeline)
        assert pipeline.status().usable_answers == ANSWERS
        assert rows("SELECT DISTINCT state FROM tag_requests") == [("succeeded",)]
        assert rows("SELECT DISTINCT total_analyses FROM palette_tag_consensus") == [(MODELS * ANALYSES,)]
        assert rows("SELECT DISTINCT run_number - analysis_index FROM palette_tags") == [(1,)]

    def test_run_numbers_are_cleared_only_when_nothing_needs_them(self, pipeline, rows, write):
        steps.import_convex(pipeline, write(self.documents((None, 1), (3, 2))))
        with pytest.raises(MigrationError, match="1 answers have no analysis index yet.* Nothing was cleared"):
            steps.clear_run_numbers(pipeline)
        assert rows("SELECT count(run_number) FROM palette_tags") == [(1,)]
        steps.migrate_run_numbers(pipeline)
        assert steps.clear_run_numbers(pipeline) == 2
        assert rows("SELECT count(run_number) FROM palette_tags") == [(0,)]
        assert steps.clear_run_numbers(pipeline) == 0

    def test_a_later_export_may_number_an_answer(self, pipeline, rows, write):
        tables = self.documents((None, 3))
        steps.import_convex(pipeline, write(tables))
        tables.documents["palette_tags"][0]["analysisIndex"] = 2.0
        report = steps.import_convex(pipeline, write(tables, "later.zip")).tables["palette_tags"]
        assert (report.imported, report.pending_index) == (1, 0)
        assert steps.check_run_numbers(pipeline).clean
        assert self.numbered(rows) == {0: 2}

    def test_answers_of_an_older_parser_are_reparsed(self, pipeline, rows, write):
        steps.import_convex(pipeline, write(self.documents((None, 1))))
        rows("UPDATE unnumbered_palette_tags SET parser_version = 0")
        steps.migrate_run_numbers(pipeline)
        assert pipeline.parse_answers().answers == 1


class TestAdoptedBatches:
    """The custom ids of the earlier system have the palette's id and the analysis index."""

    @pytest.fixture
    def moving(self, tmp_path, blank, sandbox: SandboxServer):
        environment = sandbox.environment()
        return Pipeline(copy_template(blank, tmp_path / "data", sandbox=True), environment), environment

    def submit(self, environment, custom_ids):
        client = OpenAI(api_key=environment["OPENAI_API_KEY"], base_url=environment["OPENAI_BASE_URL"])
        model, text = (
            load_catalogue().model("openai/gpt-4o-mini"),
            TAGGING.texts({"s": Subject(exports.seeds(1)[0], "")})["s"],
        )
        request = open_provider("openai", environment).request
        lines = [request(model, TAGGING.payload, custom_id, text) for custom_id in custom_ids]
        content = "\n".join(map(json.dumps, lines)).encode()
        file = client.files.create(file=("batch_requests.jsonl", content), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        return batch.id

    def export(self, batch_id, requests):
        tables = exports.export("indexes", palettes=2, analyses=1, models=(("openai", "gpt-4o-mini"),))
        under_way = {**tables.documents["tag_batches"][0], **exports.document("z", 1)}
        under_way |= {
            "batchId": batch_id,
            "status": "processing",
            "requestCount": float(requests),
            "completedCount": 0.0,
            "promptVersion": exports.VERSION,
        }
        del under_way["completedAt"]
        tables.add("tag_batches", under_way)
        return tables

    def test_an_adopted_batch_is_polled_and_collected(self, moving, write):
        pipeline, environment = moving
        names = [f"{exports.convex_id('p', palette)}_{index}" for palette in range(2) for index in (1, 2)]
        # One of a palette that the export does not have, and one whose answer it has.
        batch_id = self.submit(
            environment, [*names, f"{exports.convex_id('p', 9)}_0", f"{exports.convex_id('p', 0)}_0"]
        )
        report = steps.import_convex(pipeline, write(self.export(batch_id, 6)))
        assert report.tables["tag_batches"].adopted == 1
        status = pipeline.status()
        assert [batch.batch_id for batch in status.open_batches] == [batch_id]
        assert status.outstanding_usd > 0
        while pipeline.poll().pending:
            pass
        (collected,) = pipeline.collect().batches
        assert sum(collected.states.values()) == 4
        assert collected.findings == {"unreadable": 2}
        with pipeline.warehouse.connect() as connection:
            answers = connection.execute(
                "SELECT analysis_index, prompt_version FROM palette_tags WHERE batch_id = ? ORDER BY ALL", [batch_id]
            ).fetchall()
            details = connection.execute("SELECT detail FROM collection_findings ORDER BY detail").fetchall()
            ((requests, collected_at, cost),) = connection.execute(
                "SELECT request_count, collected_at, cost_usd FROM tag_batches WHERE batch_id = ?", [batch_id]
            ).fetchall()
        assert [index for index, _ in answers] == [1, 1, 2, 2]
        assert {version for _, version in answers} == {exports.VERSION}
        # Results that cannot be stored are kept with their text.
        assert ["names no known palette" in detail for (detail,) in details] == [True, False]
        assert ["the one that came first stays" in detail for (detail,) in details] == [False, True]
        assert all("{" in detail for (detail,) in details)
        assert requests == 6
        assert collected_at is not None
        assert cost > 0
        assert pipeline.collect().batches == ()
        assert pipeline.parse_answers().answers == 0

    def test_an_adopted_batch_ends_when_the_earlier_system_has_collected_it(self, moving, write):
        pipeline, _ = moving
        tables = self.export("batch_elsewhere", 2)
        steps.import_convex(pipeline, write(tables))
        tables.documents["tag_batches"][-1] |= {"status": "completed", "completedAt": 1_731_000_100_000.0}
        report = steps.import_convex(pipeline, write(tables, "later.zip")).tables["tag_batches"]
        assert (report.imported, report.adopted) == (1, 0)
        assert pipeline.status().open_batches == ()
        assert ended_batches(pipeline.workspace) == []
