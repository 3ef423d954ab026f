"""Imports point one way, and what is fast stays fast: the rules of the house that a reader relies on."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import grabient_pipeline
from grabient_pipeline.crash_points import CRASH_POINTS

PACKAGE = Path(grabient_pipeline.__file__).parent
OUTER = {"assets", "cli", "definitions", "jobs", "sensors", "resources", "checks", "pipeline"}
ROOMS = {
    *(
        "palette",
        "tagging",
        "providers",
        "batches",
        "warehouse",
        "consensus",
        "scorecard",
        "imports",
        "exports",
        "search",
        "gallery",
    ),
    *("sandbox", "settings", "errors"),
}
SDKS = {"anthropic", "openai", "groq", "google.genai", "cloudflare", "obstore"}


def loaded_by(statement: str) -> set[str]:
    """Every module that a fresh Python has loaded after the statement."""
    text = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def modules_below(room: str) -> list[str]:
    files = sorted((PACKAGE / room).rglob("*.py")) if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]
    return [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for file in files
    ]


def imports_of(room: str) -> set[str]:
    """What the modules of a room import, wherever in the file: full names, `from a import b` as `a.b`."""
    files = sorted((PACKAGE / room).rglob("*.py")) if (PACKAGE / room).is_dir() else [PACKAGE / f"{room}.py"]
    assert files
    found: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: a relative import hides where it points"
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def rooms_imported_by(room: str) -> set[str]:
    return {name.split(".")[1] for name in imports_of(room) if name.startswith("grabient_pipeline.")} - {room}


def test_the_import_of_the_package_costs_nothing():
    """It is what a notebook does first."""
    heavy = {"dagster", "duckdb", "polars", "numpy", "pydantic", "httpx2", "httpx", *SDKS}
    assert not loaded_by("import grabient_pipeline") & heavy


def test_the_rooms_load_without_dagster():
    """Who wants the domain in a notebook or a script needs no orchestrator."""
    rooms = ["palette", "tagging", "providers", "batches", "warehouse", "imports", "exports", "search", "gallery"]
    modules = [module for room in (*rooms, "pipeline") for module in modules_below(room)]
    loaded = loaded_by("import " + ", ".join(modules))
    assert loaded >= set(modules)
    assert not {name for name in loaded if name.partition(".")[0] == "dagster"}


def test_no_sdk_is_loaded_before_it_is_used():
    """The four take seconds together; who asks for the status pays for none of them."""
    modules = [*modules_below("batches"), *modules_below("imports"), "grabient_pipeline.pipeline"]
    modules += ["grabient_pipeline.providers.access", "grabient_pipeline.providers.catalogue"]
    modules += ["grabient_pipeline.search.finding", "grabient_pipeline.search.evaluation"]
    loaded = loaded_by("import " + ", ".join(modules))
    assert not loaded & SDKS
    # Nor the local embedding model, which only those need who embed or search.
    assert not loaded & {"tokenizers", "safetensors", "wordllama"}


@pytest.mark.parametrize(
    ("room", "may_import"),
    [
        ("errors", set()),
        ("settings", {"errors"}),
        ("progress", set()),
        ("palette", set()),
        ("tagging", {"palette"}),
        ("providers", {"errors", "progress"}),
        ("moments", set()),
        ("warehouse", {"settings", "errors", "moments"}),
        ("consensus", {"warehouse", "moments"}),
        ("scorecard", {"warehouse", "moments"}),
        # What comes from the earlier system goes into the ledger, read by the same parser.
        (
            "imports",
            {"palette", "tagging", "providers", "batches", "warehouse", "settings", "errors", "progress", "moments"},
        ),
        ("exports", {"warehouse", "settings", "errors"}),
        ("batches", {"palette", "tagging", "providers", "warehouse", "settings", "errors", "progress", "moments"}),
        ("search", {"palette", "tagging", "providers", "warehouse", "settings", "errors", "progress"}),
        ("gallery", {"palette", "tagging", "warehouse", "errors"}),
        # It writes down a second time what it accepts, so that a mistake of the pipeline is found and not repeated.
        ("sandbox", {"palette"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_imports_point_one_way(room, may_import):
    assert rooms_imported_by(room) <= may_import


@pytest.mark.parametrize("room", sorted(ROOMS - {"errors"}))
def test_a_room_knows_nothing_of_those_that_use_it(room):
    assert not rooms_imported_by(room) & OUTER
    assert not {name for name in imports_of(room) if name.partition(".")[0] == "dagster"}


@pytest.mark.parametrize("room", sorted(ROOMS - {"warehouse", "batches", "imports", "scorecard"}))
def test_the_warehouse_is_the_only_door_to_duckdb(room):
    """The other three run their queries on connections that they were given, and name their type."""
    assert not {name for name in imports_of(room) if name.partition(".")[0] == "duckdb"}


def test_nobody_but_the_warehouse_opens_a_connection():
    for file in PACKAGE.rglob("*.py"):
        if file.parent.name == "warehouse":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "duckdb.connect", f"{file}:{node.lineno}"


def test_every_marked_moment_is_somewhere_and_is_listed():
    """The drills go through the list: a moment that is missing there would never be tried."""
    marked = [
        node.args[0].value
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash_point"
    ]
    assert sorted(marked) == sorted(CRASH_POINTS)
