"""Palettes from the site's own database: over Cloudflare's API with its official SDK, and from exported files."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_pipeline.defs.assets.palettes import PalettesConfig, palettes
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.errors import ImportFileError, MissingKeyError, SettingsError
from grabient_pipeline.imports import d1, d1_files
from grabient_pipeline.imports.palettes import import_files
from grabient_pipeline.imports.site import default_query, single_select
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse
from grabient_pipeline_tests.cli.conftest import GRABIENT
from grabient_pipeline_tests.conftest import copy_template
from grabient_pipeline_tests.d1_server import D1, LIKED, SEEDS, SITE, TOKEN, d1_server


@pytest.fixture
def site() -> Iterator[D1]:
    with d1_server() as database:
        yield database


@pytest.fixture
def rows(site):
    def read(query=None, **changed):
        return list(d1.d1_rows(d1.D1Access.from_environment({**site.environment, **changed}), query))

    return read


class TestApi:
    def test_the_palettes_that_admins_like(self, site, tmp_path):
        pipeline = Pipeline(Settings(tmp_path / "data"), site.environment)
        report = pipeline.import_palettes(d1=True)
        assert (report.imported, [each.text for each in report.invalid]) == (2, ["no palette"])
        with pipeline.warehouse.connect() as connection:
            found = connection.execute("SELECT seed, source FROM palettes").fetchall()
        assert set(found) == {(seed, "Cloudflare D1") for seed in LIKED}
        assert pipeline.import_palettes(d1=True).already_there == 2

    def test_results_are_read_page_by_page(self, site, rows, monkeypatch):
        monkeypatch.setattr(d1, "ROWS_A_PAGE", 2)
        site.database.executemany("INSERT INTO palettes (id) VALUES (?)", [(seed,) for seed in SEEDS])
        assert {row.seed for row in rows("SELECT id FROM palettes")} == set(SEEDS)
        assert [query["params"] for query in site.queries] == [["2", "0"], ["2", "2"], ["2", "4"]]
        assert [row.number for row in rows("SELECT id FROM palettes")] == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("faults", [[429], [500], [503, 429, 502]], ids=str)
    def test_transient_faults_are_retried(self, site, rows, faults):
        site.faults = list(faults)
        assert len(rows()) == 3
        assert site.faults == []

    @pytest.mark.parametrize(
        ("status", "says"),
        [(429, "received too many requests"), (500, "has a server error"), (403, "rejected the token")],
    )
    def test_persistent_faults_are_explained(self, site, rows, status, says, monkeypatch):
        monkeypatch.setattr(d1, "MAX_RETRIES", 1)
        site.faults = [status] * 5
        with pytest.raises(ImportFileError, match=says):
            rows()

    def test_a_wrong_token_is_not_shown(self, rows):
        with pytest.raises(ImportFileError, match="rejected the token") as error:
            rows(CF_API_TOKEN="secret-5a1")
        assert "secret-5a1" not in str(error.value)
        assert "secret-5a1" not in repr(
            d1.D1Access.from_environment({"CF_ACCOUNT_ID": "a", "CF_API_TOKEN": "secret-5a1", "CF_D1_DATABASE_ID": "b"})
        )

    def test_an_unknown_database(self, rows):
        with pytest.raises(ImportFileError, match="no such database .* check CF_ACCOUNT_ID and CF_D1_DATABASE_ID"):
            rows(CF_D1_DATABASE_ID="gone")

    def test_an_invalid_query(self, rows):
        with pytest.raises(ImportFileError, match="rejected the query .*no such table: absent.*--d1-query"):
            rows("SELECT id FROM absent")

    def test_an_unreachable_server(self, rows, monkeypatch):
        monkeypatch.setattr(d1, "MAX_RETRIES", 0)
        with pytest.raises(ImportFileError, match="cannot be reached"):
            rows(CLOUDFLARE_BASE_URL="http://127.0.0.1:9")

    @pytest.mark.parametrize("missing", ["CF_ACCOUNT_ID", "CF_API_TOKEN", "CF_D1_DATABASE_ID"])
    def test_a_missing_variable_is_named(self, site, missing):
        with pytest.raises(MissingKeyError, match=missing):
            d1.D1Access.from_environment({**site.environment, missing: " "})

    @pytest.mark.parametrize(
        ("variable", "value"), [("CF_ACCOUNT_ID", "../x"), ("CF_D1_DATABASE_ID", "a/b"), ("CF_API_TOKEN", "tökén")]
    )
    def test_an_invalid_variable_is_named(self, site, variable, value):
        with pytest.raises(SettingsError, match=variable):
            d1.D1Access.from_environment({**site.environment, variable: value})

    @pytest.mark.parametrize(
        "query",
        [
            "DROP TABLE likes",
            "UPDATE likes SET palette_id = 'x'",
            "SELECT 1; DROP TABLE likes",
            "SELECT 1) LIMIT 1; DROP TABLE likes; SELECT * FROM (SELECT 1",
            "PRAGMA table_list",
            "",
        ],
    )
    def test_only_a_single_select_is_sent(self, site, rows, query):
        with pytest.raises(SettingsError, match="SELECT"):
            rows(query)
        assert site.queries == []

    @pytest.mark.parametrize(
        "query", ["WITH x AS (SELECT 1) DELETE FROM likes", "SELECT 1) ORDER BY 1 -- "], ids=["with", "bracket"]
    )
    def test_a_disguised_select_changes_nothing(self, site, rows, query):
        with pytest.raises(ImportFileError, match="rejected the query"):
            rows(query)
        assert site.database.execute("SELECT count(*) FROM likes").fetchall() == [(5,)]

    def test_another_query(self, site, rows):
        site.database.execute("INSERT INTO palettes (id, style) VALUES (?, '--x')", [SEEDS[3]])
        (row,) = rows("SELECT id, 'Dusk' AS name, 'https://i/1' AS image_url FROM palettes WHERE style = '--x';")
        assert (row.seed, row.name, row.image_url) == (SEEDS[3], "Dusk", "https://i/1")

    def test_other_credentials_in_the_environment_are_not_sent(self, site, rows, monkeypatch):
        monkeypatch.setenv("CLOUDFLARE_API_KEY", "another-key")
        monkeypatch.setenv("CLOUDFLARE_EMAIL", "ada@example.com")
        rows()
        sent = " ".join(f"{name}: {value}" for headers in site.headers for name, value in headers.items())
        assert "another-key" not in sent
        assert "ada@example.com" not in sent

    def test_on_the_command_line(self, site, tmp_path, run_process):
        result = run_process("import", "--d1", "--json", **site.environment, GRABIENT_DATA_DIR=str(tmp_path / "data"))
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["imported"] == 2
        assert TOKEN not in result.stdout + result.stderr
        result = run_process("import", "--d1", GRABIENT_DATA_DIR=str(tmp_path / "data"))
        assert (result.returncode, result.stdout) == (1, "")
        assert "CF_ACCOUNT_ID, CF_API_TOKEN, CF_D1_DATABASE_ID" in result.stderr

    def test_as_an_asset(self, site, tmp_path, monkeypatch):
        import dagster as dg

        monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path / "data"))
        for name, value in site.environment.items():
            monkeypatch.setenv(name, value)
        config = dg.RunConfig({"palettes": PalettesConfig(d1=True)})
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [palettes], resources={"pipeline": PipelineResource()}, run_config=config, instance=instance
            )
            (event,) = result.asset_materializations_for_node("palettes")
        assert event.metadata["imported"].value == 2


@pytest.fixture
def run_process():
    import os
    import subprocess

    def run(*arguments, **variables):
        return subprocess.run(
            [GRABIENT, *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def warehouse(tmp_path, blank):
    return Warehouse.at(copy_template(blank, tmp_path / "data"))


def dump(script: str = SITE) -> str:
    """As `wrangler d1 export` writes it."""
    database = sqlite3.connect(":memory:")
    database.executescript(script)
    return "PRAGMA defer_foreign_keys=TRUE;\n" + "\n".join(database.iterdump()) + "\n"


class TestFiles:
    @pytest.mark.parametrize("ending", ["sqlite", "sqlite3", "db", "SQLITE"])
    def test_an_sqlite_file(self, warehouse, tmp_path, ending):
        path = tmp_path / f"it's a #1 site?.{ending}"
        with sqlite3.connect(path) as database:
            database.executescript(SITE)
        database.close()
        report = import_files(warehouse, [path])
        assert (report.imported, len(report.invalid)) == (2, 1)
        assert {entry.name for entry in tmp_path.iterdir()} == {path.name, "data"}

    def test_a_dump(self, warehouse, tmp_path):
        path = tmp_path / "export.sql"
        path.write_text(dump())
        report = import_files(warehouse, [path])
        assert (report.imported, len(report.invalid)) == (2, 1)
        assert import_files(warehouse, [path]).already_there == 2

    def test_another_query_for_a_file(self, warehouse, tmp_path):
        path = tmp_path / "export.sql"
        path.write_text(dump())
        report = import_files(warehouse, [path], "SELECT palette_id AS id FROM likes WHERE user_id = 'b'")
        assert report.imported == 1
        with warehouse.connect() as connection:
            assert connection.execute("SELECT seed FROM palettes").fetchall() == [(SEEDS[2],)]

    @pytest.mark.parametrize(
        "harm",
        [
            "ATTACH DATABASE '{folder}/pwned.sqlite' AS x; CREATE TABLE x.t (a);",
            "PRAGMA writable_schema = ON;",
            "DROP TABLE likes;",
            "DELETE FROM likes;",
            "UPDATE auth_user SET role = 'b';",
            "VACUUM INTO '{folder}/pwned.sqlite';",
            "CREATE TRIGGER t AFTER INSERT ON likes BEGIN DELETE FROM likes; END;",
            "CREATE VIEW v AS SELECT 1;",
            "SELECT load_extension('x');",
            "CREATE VIRTUAL TABLE f USING fts5(a);",
            "CREATE TABLE x AS SELECT 1;",
        ],
    )
    def test_only_inserts_are_executed(self, warehouse, tmp_path, harm):
        path = tmp_path / "export.sql"
        path.write_text(harm.format(folder=tmp_path) + "\n" + dump() + "\n" + harm.format(folder=tmp_path))
        report = import_files(warehouse, [path])
        assert (report.imported, len(report.invalid)) == (2, 1)
        assert {entry.name for entry in tmp_path.iterdir()} == {"export.sql", "data"}

    @pytest.mark.parametrize(
        "insert",
        [
            "INSERT INTO likes SELECT 'a', palette_id FROM likes;",
            "INSERT INTO likes VALUES ('a', load_extension('x'));",
            "INSERT INTO likes VALUES ('a', (SELECT sql FROM sqlite_schema));",
            "INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5);",
            "INSERT INTO unknown VALUES (1);",
            "INSERT INTO likes VALUES ('a');",
            "INSERT INTO likes WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n, n FROM x;",
            "INSERT INTO likes VALUES ('a', randomblob(1000000000));",
        ],
    )
    def test_an_insert_of_more_than_values_is_reported_and_the_others_run(self, warehouse, tmp_path, insert):
        path = tmp_path / "export.sql"
        path.write_text(dump() + insert)
        report = import_files(warehouse, [path])
        assert report.imported == 2
        reasons = [each.reason for each in report.invalid]
        assert sum("contains more than plain values, or other columns" in reason for reason in reasons) == 1

    def test_texts_with_breaks_and_semicolons(self, tmp_path):
        text = "a;\nb -- 'c' /* d */\r\n\"e\""
        literal = "'" + text.replace("'", "''") + "'"
        path = tmp_path / "export.sql"
        path.write_text("CREATE TABLE likes (user_id); INSERT INTO likes VALUES (" + literal + ");", newline="")  # noqa: S608
        (row,) = d1_files.dump_rows(path, "SELECT user_id AS seed FROM likes")
        assert row.seed == text

    def test_text_functions_of_a_dump(self, tmp_path):
        path = tmp_path / "export.sql"
        path.write_text("CREATE TABLE t (a); INSERT INTO t VALUES (replace('one\\ntwo', '\\n', char(10)));")
        (row,) = d1_files.dump_rows(path, "SELECT a FROM t")
        assert row.seed == "one\ntwo"

    @pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
    def test_statements_do_not_depend_on_the_block_size(self, block):
        text = "-- a; b\nSELECT 'x;''y', \"a;\", [b;], `c;` /* d; */ FROM t;\nINSERT INTO t VALUES (1-1, 4/2);  \n"
        found = list(d1_files.statements(Path("x"), io.StringIO(text), block))
        assert [" ".join(each.split()) for each in found] == [
            "SELECT 'x;''y', \"a;\", [b;], `c;` FROM t;",
            "INSERT INTO t VALUES (1-1, 4/2);",
        ]

    def test_an_endless_statement(self, warehouse, tmp_path, monkeypatch):
        monkeypatch.setattr(d1_files, "MAX_STATEMENT_LENGTH", 1000)
        path = tmp_path / "export.sql"
        path.write_text("INSERT INTO t VALUES ('" + "x" * 5000)
        with pytest.raises(ImportFileError, match="has a statement of more than 1,000 characters"):
            import_files(warehouse, [path])

    @pytest.mark.parametrize(
        ("statement", "made"),
        [
            ("CREATE TABLE likes (a TEXT, b INT);", ("likes", ["a", "b"])),
            ("create table if not exists \"a b\" ('c' TEXT, [d e] INT, `f`);", ("a b", ["c", "d e", "f"])),
            ("CREATE TABLE main.t (a, PRIMARY KEY (a), CONSTRAINT x UNIQUE (a), CHECK (a > 0))", ("t", ["a"])),
            (
                "CREATE TABLE t (a TEXT DEFAULT (lower('x, y')), b DECIMAL(10, 2) CHECK (b IN (1, 2)))",
                ("t", ["a", "b"]),
            ),
            ("INSERT INTO t VALUES (1)", None),
            ("CREATE TABLE t AS SELECT 1", None),
        ],
    )
    def test_the_columns_of_a_table(self, statement, made):
        assert d1_files.parse_create_table(statement) == made

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("a.sqlite", b"no database at all" * 100, "is not a readable SQLite file"),
            ("a.sqlite", b"", "the query for palettes failed"),
            ("a.sql", b"", "contains no INSERT"),
            ("a.sql", b"CREATE TABLE t (a);", "contains no INSERT"),
            ("a.sql", b"CREATE TABLE t (a); INSERT INTO t VALUES (1);", "no such table: likes"),
            ("a.sql", b"\xff\xfe\x00", "is not UTF-8"),
        ],
        ids=["no database", "empty database", "empty dump", "no inserts", "another database", "not UTF-8"],
    )
    def test_files_that_are_not_exports(self, warehouse, tmp_path, name, content, reason):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImportFileError, match=reason) as error:
            import_files(warehouse, [path])
        assert "\n" not in str(error.value)

    def test_an_endless_query(self, warehouse, tmp_path, monkeypatch):
        monkeypatch.setattr(d1_files, "MAX_QUERY_SECONDS", 0.05)
        path = tmp_path / "a.sql"
        path.write_text(dump())
        endless = f"SELECT count(*) AS seed FROM {', '.join(f'likes AS t{n}' for n in range(30))}"  # noqa: S608
        with pytest.raises(ImportFileError, match=r"the query for palettes failed .*\(interrupted\)"):
            import_files(warehouse, [path], endless)

    def test_a_missing_file(self, warehouse, tmp_path):
        with pytest.raises(ImportFileError, match="there is no such file"):
            import_files(warehouse, [tmp_path / "gone.sql"])


def test_the_default_query_is_one_select():
    assert single_select(default_query()).lower().startswith("select distinct likes.palette_id")
