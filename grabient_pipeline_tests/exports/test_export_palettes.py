"""Exports: complete, in every format, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import json

import duckdb
import polars as pl
import pytest

from grabient_pipeline.convex import steps
from grabient_pipeline.errors import SettingsError, WarehouseError
from grabient_pipeline.exports import palettes as exporting
from grabient_pipeline.imports.files import read_rows
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests import convex_exports as exports
from grabient_pipeline_tests.conftest import copy_template

MODEL = "local/test-3"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    opened = Pipeline(Settings(folder), {})
    steps.import_convex(opened, exports.write_zip(folder / "export.zip", exports.export("cycles")))
    measured = folder / "measured.txt"
    measured.write_text(exports.seeds(1, seed=5)[0])
    opened.import_palettes([measured])
    embed(opened)
    return folder


@pytest.fixture
def pipeline(tmp_path, embedded):
    """Three refined palettes with embeddings, and one that is only measured."""
    opened = Pipeline(copy_template(embedded, tmp_path / "data"), {})
    opened.warehouse.publish()
    return opened


def embed(pipeline, model=MODEL, dimension=3):
    with pipeline.warehouse.connect() as connection:
        connection.execute(
            """
            INSERT INTO palette_embeddings
            SELECT
                seed, $model, $dimension, list_transform(range($dimension), lambda place: (place / 10)::FLOAT),
                embed_text, md5(embed_text), 'refined', 0, now()
            FROM palette_tag_refined
            """,
            {"model": model, "dimension": dimension},
        )


def rename(pipeline, tag):
    """Set the tag, the embed text and the name of the palettes."""
    with pipeline.warehouse.connect() as connection:
        connection.execute(
            "UPDATE palette_tag_refined SET tags = struct_update(tags, mood := [$tag]), embed_text = $tag", {"tag": tag}
        )
        connection.execute("UPDATE palettes SET name = $tag", {"tag": tag})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "site"


def test_every_format_has_every_palette(pipeline, folder):
    report = pipeline.export(folder)
    assert (report.palettes, report.refined, report.vectors, report.embedding_model) == (4, 3, 3, MODEL)
    assert [path.name for path in report.files] == [
        "palettes.parquet",
        "palettes.jsonl",
        "palettes.csv",
        "vectorize-0001.ndjson",
    ]
    assert {path.name for path in folder.iterdir()} == {path.name for path in report.files}
    frame = pl.read_parquet(folder / "palettes.parquet")
    lines = [json.loads(line) for line in (folder / "palettes.jsonl").read_text("utf-8").splitlines()]
    with (folder / "palettes.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(frame) == len(lines) == len(table) == 4
    assert (
        frame["palette_id"].to_list() == [line["palette_id"] for line in lines] == [row["palette_id"] for row in table]
    )
    assert frame.columns == list(table[0])
    for row, line, cells in zip(frame.iter_rows(named=True), lines, table, strict=True):
        assert row["associations"] == line["associations"]
        assert "; ".join(row["associations"]) == cells["associations"]
        assert row["embed_text"] == line["embed_text"]
        assert (row["embed_text"] or "") == cells["embed_text"]
        assert (row["embedding"] is None) == (line["embedding"] is None) == (cells["embedding"] == "")
        if row["embedding"]:
            assert json.loads(cells["embedding"]) == pytest.approx(line["embedding"])
            assert line["embedding"] == pytest.approx([0.0, 0.1, 0.2])


def test_the_columns_of_a_row(pipeline, folder):
    pipeline.export(folder, ["parquet"])
    frame = pl.read_parquet(folder / "palettes.parquet")
    refined = frame.filter(pl.col("text_source") == "refined").row(0, named=True)
    assert refined["refining_model"] == "claude-opus-4-5-20251101"
    assert refined["prompt_version"] == exports.REFINEMENT_VERSION
    assert refined["embed_text"].startswith(refined["temperature"])
    assert len(refined["hex"]) == 11
    (measured,) = frame.filter(pl.col("text_source") == "measured").iter_rows(named=True)
    assert (measured["mood"], measured["embedding"], measured["refining_model"]) == ([], None, None)
    assert (measured["consensus_models"], measured["consensus_answers"]) == (None, None)
    assert measured["colour_names"]


def test_duckdb_reads_the_parquet_with_its_types(pipeline, folder):
    pipeline.export(folder, ["parquet"])
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE FROM read_parquet(?)", [str(folder / "palettes.parquet")]).fetchall()
    types = {name: kind for name, kind, *_ in described}
    assert (types["mood"], types["embedding"], types["embed_text"]) == ("VARCHAR[]", "FLOAT[]", "VARCHAR")


def test_only_refined_palettes(pipeline, folder):
    report = pipeline.export(folder, ["jsonl"], only_refined=True)
    assert (report.palettes, report.refined) == (3, 3)


def test_exports_can_be_imported_again(pipeline, folder, tmp_path):
    pipeline.export(folder, ["jsonl", "parquet", "csv"])
    for name in ("palettes.jsonl", "palettes.parquet", "palettes.csv"):
        rows = list(read_rows(folder / name))
        assert len(rows) == 4
        again = Pipeline(Settings(tmp_path / name), {}).import_palettes([folder / name])
        assert (again.imported, again.invalid) == (4, [])


@pytest.mark.parametrize(
    "hostile",
    [
        '=HYPERLINK("http://evil.example";"click")',
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        "  =1+1",
        "＝1+1",
        "＠SUM(A1)",
    ],
    ids=repr,
)
def test_no_cell_is_a_formula_in_a_spreadsheet(pipeline, folder, hostile):
    rename(pipeline, hostile)
    pipeline.export(folder, ["csv", "jsonl"])
    with (folder / "palettes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    refined = [row for row in rows if row["text_source"] == "refined"]
    assert {(row["mood"], row["embed_text"], row["name"]) for row in refined} == {("'" + hostile,) * 3}
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip(" \t\r\n").startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    # Other formats keep the text unchanged.
    line = json.loads((folder / "palettes.jsonl").read_text("utf-8").splitlines()[0])
    assert line["mood"] == [hostile]


@pytest.mark.parametrize("awkward", ['a "quoted" tag', "two\nlines", "semi; colon", "comma, here", "日本", "\u2028"])
def test_any_text_stays_in_its_cell(pipeline, folder, awkward):
    rename(pipeline, awkward)
    pipeline.export(folder, ["csv", "jsonl", "vectorize"])
    with (folder / "palettes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["embed_text"] for row in rows if row["text_source"] == "refined"] == [awkward] * 3
    for name in ("palettes.jsonl", "vectorize-0001.ndjson"):
        assert all(json.loads(line) for line in (folder / name).read_bytes().splitlines() if line)
        assert (folder / name).read_bytes().count(b"\n") == (4 if name.startswith("palettes") else 3)


class TestVectorize:
    def lines(self, folder):
        files = sorted(folder.glob("vectorize-*.ndjson"))
        return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in files]

    def test_lines_have_the_format_of_vectorize(self, pipeline, folder):
        pipeline.export(folder, ["vectorize"])
        ((line, *_),) = self.lines(folder)
        assert line.keys() == {"id", "values", "metadata"}
        assert len(line["id"].encode()) <= 64
        assert line["values"] == pytest.approx([0.0, 0.1, 0.2])
        metadata = line["metadata"]
        assert metadata.keys() == {
            "seed",
            "image_url",
            "temperature",
            "contrast",
            "brightness",
            "saturation",
            "tags",
        }
        assert metadata["tags"] == list(dict.fromkeys(metadata["tags"]))
        assert len(metadata["tags"]) > 5

    def test_files_are_split_at_the_limits(self, pipeline, folder, monkeypatch):
        monkeypatch.setattr(exporting, "VECTORS_PER_FILE", 2)
        assert len(pipeline.export(folder, ["vectorize"]).files) == 2
        assert [len(lines) for lines in self.lines(folder)] == [2, 1]
        monkeypatch.setattr(exporting, "VECTORS_PER_FILE", 5000)
        monkeypatch.setattr(exporting, "BYTES_PER_FILE", 10)
        assert len(pipeline.export(folder, ["vectorize"]).files) == 3
        monkeypatch.setattr(exporting, "BYTES_PER_FILE", 95_000_000)
        # Files left over from an earlier export are deleted.
        pipeline.export(folder, ["vectorize"])
        assert [len(lines) for lines in self.lines(folder)] == [3]

    def test_metadata_that_is_too_long_loses_its_last_tags(self, pipeline, folder):
        with pipeline.warehouse.connect() as connection:
            connection.execute(
                "UPDATE palette_tag_refined SET tags = struct_update(tags, associations := "
                "list_transform(range(2000), lambda n: concat('a rather long tag ', n)))"
            )
        report = pipeline.export(folder, ["vectorize"])
        ((line, *_),) = self.lines(folder)
        assert 9_000 < len(json.dumps(line["metadata"], separators=(",", ":"), ensure_ascii=False).encode()) <= 10_240
        assert "a rather long tag 0" in line["metadata"]["tags"]
        assert report.notes == ("3 palettes have more tags than fit into Vectorize's 10,240 bytes of metadata",)

    def test_embeddings_that_are_too_long(self, pipeline, folder):
        with pipeline.warehouse.connect() as connection:
            connection.execute("DELETE FROM palette_embeddings")
        embed(pipeline, dimension=3072)
        with pytest.raises(SettingsError, match="have 3072 dimensions; Vectorize requires .* at most 1,536"):
            pipeline.export(folder)
        assert not folder.exists()
        assert pipeline.export(folder, ["parquet"]).vectors == 3

    def test_without_embeddings(self, pipeline, folder):
        with pipeline.warehouse.connect() as connection:
            connection.execute("DELETE FROM palette_embeddings")
        with pytest.raises(SettingsError, match="there are no embeddings to export"):
            pipeline.export(folder, ["vectorize"])
        report = pipeline.export(folder)
        assert (report.vectors, report.embedding_model) == (0, None)
        assert not list(folder.glob("vectorize*"))


class TestModels:
    def test_one_of_several_models_must_be_chosen(self, pipeline, folder):
        embed(pipeline, "openai/other", 5)
        with pytest.raises(SettingsError, match="choose one .*local/test-3, openai/other"):
            pipeline.export(folder)
        report = pipeline.export(folder, ["jsonl"], embedding_model="openai/other")
        assert (report.embedding_model, report.vectors) == ("openai/other", 3)

    def test_an_unknown_model(self, pipeline, folder):
        with pytest.raises(SettingsError, match="no embeddings by 'x'; available: local/test-3"):
            pipeline.export(folder, embedding_model="x")


def test_an_unknown_format(pipeline, folder):
    with pytest.raises(SettingsError, match="unknown format 'xlsx'; choose from parquet, jsonl, csv, vectorize"):
        pipeline.export(folder, ["xlsx"])


def test_a_folder_that_cannot_be_created(pipeline, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(SettingsError, match="cannot write to"):
        pipeline.export(blocked)


def test_a_failed_export_keeps_the_last_one(pipeline, folder, monkeypatch):
    pipeline.export(folder, ["jsonl"])
    before = (folder / "palettes.jsonl").read_bytes()

    def broken(frame, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_ndjson", broken)
    with pytest.raises(SettingsError, match="No space left on device"):
        pipeline.export(folder, ["jsonl"])
    assert (folder / "palettes.jsonl").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["palettes.jsonl"]


def test_nothing_published(tmp_path, folder):
    with pytest.raises(WarehouseError, match="import palettes first"):
        exporting.export_palettes(tmp_path / "nowhere", folder)
