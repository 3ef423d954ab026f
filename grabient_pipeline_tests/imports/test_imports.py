"""Palettes are imported from every kind of file, once each in whatever encoding; bad rows are reported by number."""

from __future__ import annotations

import json

import polars as pl
import pytest

from grabient_pipeline.errors import ImportFileError
from grabient_pipeline.imports.files import PaletteRow, read_rows
from grabient_pipeline.imports.palettes import import_files
from grabient_pipeline.palette import read_palette
from grabient_pipeline.settings import SAMPLE_PALETTES
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.conftest import copy_template

SEED = "0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.33,0.67"
OTHER = "0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0,0.1,0.2"
BAD = "not a palette"


@pytest.fixture
def warehouse(tmp_path, blank):
    return Warehouse.at(copy_template(blank, tmp_path / "data"))


@pytest.fixture
def table(warehouse):
    def rows(sql):
        with warehouse.connect() as connection:
            return connection.execute(sql).fetchall()

    return rows


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def csv_text(*rows):
    return "".join(",".join(f'"{value}"' for value in row) + "\n" for row in rows)


def parquet(tmp_path, columns, name="palettes.parquet"):
    path = tmp_path / name
    pl.DataFrame(columns).write_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "ndjson", "parquet", "txt", "CSV", "Jsonl"])
def test_every_kind_of_file(warehouse, table, tmp_path, file, ending):
    name = f"palettes.{ending}"
    match ending.lower():
        case "csv":
            path = file(name, csv_text(("name", "seed"), ("one", SEED), ("", OTHER)))
        case "jsonl" | "ndjson":
            path = file(name, f'{{"seed": "{SEED}", "name": "one"}}\n\n"{OTHER}"\n')
        case "parquet":
            path = parquet(tmp_path, {"name": ["one", None], "seed": [SEED, OTHER]}, name)
        case _:
            path = file(name, f"{SEED}\n\n  {OTHER}  \n")
    report = import_files(warehouse, [path])
    assert (report.imported, report.already_there, report.invalid) == (2, 0, [])
    named = None if ending == "txt" else "one"
    assert table("SELECT seed, name, source FROM palettes ORDER BY created_at") == [
        (SEED, named, name),
        (OTHER, None, name),
    ]


def test_the_columns_of_a_palette(warehouse, table, file):
    import_files(warehouse, [file("a.txt", SEED)])
    palette = read_palette(SEED)
    rows = table("SELECT palette_id, canonical_seed, image_url, len(hex), hex[1], temperature, harmony FROM palettes")
    assert rows[0][:4] == (palette.palette_id, palette.canonical_seed, f"images/{palette.palette_id}.png", 11)
    assert rows[0][4].startswith("#")
    assert rows[0][5] in ("warm", "cool", "neutral", "cool-warm")
    assert rows[0][6]


def test_an_image_url_in_the_file_is_kept(warehouse, table, file):
    import_files(warehouse, [file("a.jsonl", json.dumps({"seed": SEED, "image_url": " https://example.com/a.png "}))])
    assert table("SELECT image_url FROM palettes") == [("https://example.com/a.png",)]


def test_importing_a_file_again_changes_nothing(warehouse, table, file):
    path = file("a.txt", f"{SEED}\n{OTHER}\n")
    import_files(warehouse, [path])
    before = table("FROM palettes ORDER BY seed"), table("FROM palette_spellings ORDER BY seed")
    report = import_files(warehouse, [path])
    assert (report.imported, report.already_there) == (0, 2)
    assert (table("FROM palettes ORDER BY seed"), table("FROM palette_spellings ORDER BY seed")) == before


@pytest.mark.parametrize("together", [True, False], ids=["in one file", "one file after the other"])
def test_three_encodings_are_one_palette_with_each_spelling_recorded(warehouse, table, file, sample_rows, together):
    """The first encoding becomes the palette's seed, the key of its answers."""
    encodings = [[row[kind] for row in sample_rows[:5]] for kind in ("legacy", "aligned", "decimal")]
    contents = ["\n".join(sum(encodings, []))] if together else ["\n".join(seeds) for seeds in encodings]
    report = import_files(warehouse, [file(f"{number}.txt", text) for number, text in enumerate(contents)])
    assert (report.imported, report.already_there, report.invalid) == (5, 10, [])
    assert table("SELECT seed FROM palettes ORDER BY created_at") == [(seed,) for seed in encodings[0]]
    assert set(table("SELECT seed FROM palette_spellings")) == {(seed,) for seed in sum(encodings, [])}
    assert table("SELECT DISTINCT count(*) FROM palette_spellings GROUP BY palette_id") == [(3,)]


def test_the_sample_palettes(warehouse, table):
    report = import_files(warehouse, [SAMPLE_PALETTES])
    assert (report.imported, report.already_there, report.invalid) == (182, 0, [])
    assert table("SELECT count(DISTINCT palette_id), count(name), count(DISTINCT seed) FROM palettes") == [(182,) * 3]


def test_the_seed_may_be_in_the_column_id(tmp_path, file):
    """In the earlier system a palette's seed is its id."""
    for path in (
        file("a.csv", csv_text(("id",), (SEED,))),
        file("a.jsonl", json.dumps({"id": SEED})),
        parquet(tmp_path, {"id": [SEED]}),
    ):
        assert [row.seed for row in read_rows(path)] == [SEED]


INVALID = {
    "text": ("a.txt", f"{BAD}\n{SEED}\n", [(1, "is not a palette")]),
    "text, blank lines count": ("a.txt", f"{SEED}\n\n\n{BAD}\n{OTHER}", [(4, "is not a palette")]),
    "csv": ("a.csv", csv_text(("seed",), (SEED,), (BAD,), (OTHER,)), [(3, "is not a palette")]),
    "csv, a row without the column": ("a.csv", f'name,seed\nx\ny,"{SEED}"\n', [(2, "has no text in seed or id")]),
    "csv, an empty seed": ("a.csv", f'name,seed\nx,\ny,"{SEED}"\n', [(2, "the seed is empty")]),
    "csv, too many columns": ("a.csv", f'seed\n{SEED}\n"{OTHER}"\n', [(2, "is not a palette")]),
    "jsonl, not JSON": ("a.jsonl", f'{{"seed": \n"{SEED}"\n', [(1, "is not JSON")]),
    "jsonl, no seed": ("a.jsonl", f'{{"name": "x"}}\n"{SEED}"\n', [(1, "has no text in seed or id")]),
    "jsonl, a number": ("a.jsonl", f'{{"seed": 12}}\n7\n"{SEED}"\n', [(1, "has no text"), (2, "has no text")]),
    "jsonl, a list": ("a.jsonl", f'["{SEED}"]\n"{SEED}"\n', [(1, "has no text")]),
    "jsonl, null": ("a.jsonl", f'null\n{{"seed": null}}\n"{SEED}"', [(1, "has no text"), (2, "has no text")]),
    "jsonl, not UTF-8": ("a.jsonl", b'{"seed": "\xff"}\n"' + SEED.encode() + b'"', [(1, "is not JSON")]),
    "jsonl, half a surrogate": ("a.jsonl", f'{{"seed": "\\ud800"}}\n"{SEED}"', [(1, "is not JSON")]),
    "jsonl, deeply nested": ("a.jsonl", "[" * 50_000 + f'\n"{SEED}"', [(1, "is not JSON")]),
    "text, too long": ("a.txt", "_" * 300_000 + f"\n{SEED}\n", [(1, "longer than")]),
    "jsonl, too long": ("a.jsonl", '"' + "_" * 300_000 + f'"\n"{SEED}"\n', [(1, "the line is too long")]),
}


@pytest.mark.parametrize(("name", "content", "reasons"), INVALID.values(), ids=INVALID)
def test_a_bad_row_is_reported_and_the_others_are_imported(warehouse, table, file, name, content, reasons):
    report = import_files(warehouse, [file(name, content)])
    assert [row.number for row in report.invalid] == [number for number, _ in reasons]
    for row, (_, reason) in zip(report.invalid, reasons, strict=True):
        assert reason in row.reason
        assert len(str(row)) < 400
        assert row.source == name
    assert report.imported >= 1
    assert (SEED,) in table("SELECT seed FROM palettes") or (OTHER,) in table("SELECT seed FROM palettes")


def test_a_bad_row_of_parquet(warehouse, tmp_path):
    path = parquet(tmp_path, {"seed": [BAD, SEED, None]})
    report = import_files(warehouse, [path])
    assert report.imported == 1
    assert [row.number for row in report.invalid] == [1, 3]


@pytest.mark.parametrize("values", [[1, 2], [1.5, 2.5], [[SEED], [OTHER]], [b"a", b"b"]], ids=str)
def test_a_parquet_column_that_is_not_text(warehouse, tmp_path, values):
    report = import_files(warehouse, [parquet(tmp_path, {"seed": values})])
    assert report.imported == 0
    assert ["has no text" in row.reason for row in report.invalid] == [True, True]


ENCODED = {
    "txt with a byte order mark": ("a.txt", b"\xef\xbb\xbf" + SEED.encode()),
    "csv with a byte order mark": ("a.csv", b"\xef\xbb\xbf" + csv_text(("seed",), (SEED,)).encode()),
    "jsonl with a byte order mark": ("a.jsonl", b"\xef\xbb\xbf" + json.dumps({"seed": SEED}).encode()),
    "txt with CRLF": ("a.txt", f"{SEED}\r\n".encode()),
    "csv with CRLF": ("a.csv", csv_text(("seed",), (SEED,)).replace("\n", "\r\n").encode()),
    "jsonl with CRLF": ("a.jsonl", json.dumps({"seed": SEED}).encode() + b"\r\n"),
    "csv with spaces in the header": ("a.csv", csv_text((" name ", " seed "), ("x", SEED)).encode()),
    "csv with a line break in a name": ("a.csv", csv_text(("name", "seed"), ("a\nb", SEED)).encode()),
    "jsonl without an end": ("a.jsonl", json.dumps({"seed": SEED}).encode()),
}


@pytest.mark.parametrize(("name", "content"), ENCODED.values(), ids=ENCODED)
def test_variants_of_valid_files(file, name, content):
    assert [row.seed for row in read_rows(file(name, content))] == [SEED]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.ndjson"])
def test_an_empty_file_has_no_palettes(warehouse, file, name):
    report = import_files(warehouse, [file(name, "")])
    assert (report.imported, report.already_there, report.invalid) == (0, 0, [])


def test_a_file_with_only_a_header(warehouse, tmp_path, file):
    for path in (file("a.csv", "name,seed\n"), parquet(tmp_path, {"seed": pl.Series([], dtype=pl.String)})):
        assert list(read_rows(path)) == []


UNREADABLE = {
    "empty csv": ("a.csv", "", "has no column seed or id"),
    "csv without the column": ("a.csv", "name,colour\nx,y\n", r"has no column seed or id \(found: name, colour\)"),
    "txt that is not UTF-8": ("a.txt", b"\xff\xfe0\x00", "is not UTF-8"),
    "csv that is not UTF-8": ("a.csv", b"seed,name\nx,\xe9\n", "is not UTF-8"),
    "broken Parquet": ("a.parquet", b"PAR1 and then nothing", "is not a readable Parquet file"),
    "empty Parquet": ("a.parquet", b"", "is not a readable Parquet file"),
    "csv with a quote that is never closed": ("a.csv", f'seed\n"{SEED}\n' + "x\n" * 100_000, "line 2 is not CSV"),
    "unknown ending": ("a.xlsx", "x", "use .csv, .jsonl, .ndjson, .parquet, .txt"),
    "no ending": ("palettes", "x", "use .csv"),
}


@pytest.mark.parametrize(("name", "content", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_files(file, name, content, reason):
    with pytest.raises(ImportFileError, match=reason) as failed:
        list(read_rows(file(name, content)))
    assert name in str(failed.value)
    assert "\n" not in str(failed.value)


def test_parquet_without_the_column(tmp_path):
    with pytest.raises(ImportFileError, match="has no column seed or id"):
        list(read_rows(parquet(tmp_path, {"colour": ["x"]})))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "txt"])
def test_a_missing_file(tmp_path, ending):
    with pytest.raises(ImportFileError, match="no such file"):
        list(read_rows(tmp_path / f"a.{ending}"))
    (tmp_path / f"folder.{ending}").mkdir()
    with pytest.raises(ImportFileError):
        list(read_rows(tmp_path / f"folder.{ending}"))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "txt"])
@pytest.mark.parametrize("stem", ["a[1]", "what*", "it's?", 'say "x"', "{a,b}", "-n", "100%"])
def test_file_names_are_literal(warehouse, tmp_path, file, stem, ending):
    """Some libraries interpret a path as a glob pattern."""
    name = f"{stem}.{ending}"
    contents = {"csv": csv_text(("seed",), (SEED,)), "jsonl": json.dumps(SEED), "txt": SEED}
    path = parquet(tmp_path, {"seed": [SEED]}, name) if ending == "parquet" else file(name, contents[ending])
    assert [row.seed for row in read_rows(path)] == [SEED]


def test_a_glob_pattern_is_not_expanded(tmp_path):
    parquet(tmp_path, {"seed": [SEED]}, "a1.parquet")
    with pytest.raises(ImportFileError, match="no such file"):
        list(read_rows(tmp_path / "a*.parquet"))


def test_files_before_a_bad_one_are_imported(warehouse, table, file, tmp_path):
    with pytest.raises(ImportFileError):
        import_files(warehouse, [file("good.txt", SEED), tmp_path / "gone.txt"])
    assert table("SELECT seed FROM palettes") == [(SEED,)]


CONTROL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", f"{CONTROL}{BAD}"),
        ("a.txt", f"0.5,{CONTROL},1"),
        ("a.txt", "_" + CONTROL + "a" * (36 - len(CONTROL))),
        ("a.csv", f"seed\n{CONTROL}x\n"),
        ("a.csv", f"seed,name\n,{CONTROL}\n"),
        ("a.csv", f"name,seed\n{CONTROL}\n"),
        ("a.jsonl", json.dumps({"seed": CONTROL})),
        ("a.jsonl", json.dumps({"name": CONTROL})),
        ("a.jsonl", CONTROL),
    ],
    ids=["text", "numbers", "aligned", "csv", "csv, empty seed", "csv, no seed", "jsonl", "jsonl, no seed", "not JSON"],
)
def test_a_bad_row_cannot_control_the_terminal(warehouse, file, name, content):
    """Excerpts of untrusted files are printable text."""
    report = import_files(warehouse, [file(name, content)])
    shown = "".join(map(str, report.invalid))
    assert shown
    assert shown.isprintable()


def test_rows_are_read_one_by_one(file):
    """Files may have any size: rows are read lazily."""
    rows = read_rows(file("a.txt", f"{SEED}\n" * 10_000))
    assert next(rows) == PaletteRow(1, SEED)
    assert next(rows) == PaletteRow(2, SEED)
