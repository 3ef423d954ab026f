"""The rules of the layout: imports point one way, without circles, and load nothing slow before it is needed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import grabient_pipeline
from grabient_pipeline.crash_points import CRASH_POINTS

PACKAGE = Path(grabient_pipeline.__file__).parent
LEAVES = {
    "errors",
    "deadline",
    "progress",
    "crash_points",
    "settings",
    "formatting",
    "atomic",
    "credentials",
    "http_environment",
    "object_storage",
}
# The packages that each package may import; it need not import all of them today.
MAY_IMPORT = {
    "errors": set(),
    "progress": set(),
    "deadline": set(),
    "crash_points": set(),
    "formatting": set(),
    "atomic": set(),
    "credentials": {"errors"},
    "settings": {"errors"},
    "http_environment": {"errors", "formatting"},
    "object_storage": {"errors", "credentials"},
    "palette": set(),
    "tagging": {"palette"},
    "providers": {"errors", "progress", "formatting", "atomic", "credentials", "http_environment"},
    "warehouse": {"settings", "errors", "crash_points", "object_storage"},
    "batches": {"palette", "tagging", "providers", "warehouse", *LEAVES},
    "consensus": {"tagging", "warehouse", "crash_points"},
    "scorecard": {"consensus", "tagging", "providers", "warehouse", "crash_points"},
    "imports": {"palette", "warehouse", *LEAVES},
    "images": {"warehouse", *LEAVES},
    "exports": {"warehouse", "settings", "errors", "atomic"},
    "retrieval": {"palette", "tagging", "providers", "warehouse", "settings", "errors", "progress", "http_environment"},
    "gallery": {"palette", "tagging", "warehouse", "errors", "atomic"},
    # It specifies a second time what the providers accept, to find mistakes of the pipeline, not to repeat them.
    "sandbox": {"palette"},
}
PACKAGES = sorted(MAY_IMPORT)
DAGSTER = {"defs", "definitions"}
SDKS = {"anthropic", "openai", "groq", "google.genai", "cloudflare", "obstore"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new Python process has loaded after the statement."""
    text = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(json.loads(completed.stdout))


def files_of(name: str) -> list[Path]:
    files = sorted((PACKAGE / name).rglob("*.py")) if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]
    assert files
    return files


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def modules_below(name: str) -> list[str]:
    return [module_name(file) for file in files_of(name)]


def imported_names(nodes: list[ast.stmt] | ast.AST) -> set[str]:
    """Return the full names of all imports below these nodes; `from a import b` gives `a.b`."""
    names: set[str] = set()
    for node in ast.walk(nodes if isinstance(nodes, ast.AST) else ast.Module(nodes, [])):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides where it points"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def imports_of(name: str) -> set[str]:
    """Return the imports of a package's modules, including those inside functions."""
    return set().union(*(imported_names(ast.parse(file.read_text("utf-8"))) for file in files_of(name)))


def packages_imported_by(name: str) -> set[str]:
    return {full.split(".")[1] for full in imports_of(name) if full.startswith("grabient_pipeline.")} - {name}


def import_graph() -> dict[str, set[str]]:
    """Return the imports of every module, including those inside functions but not those for type checkers only."""
    files = {module_name(file): file for file in PACKAGE.rglob("*.py")}

    def resolved(full: str) -> str | None:
        while full and full not in files:
            full = full.rpartition(".")[0]
        return full if full != "grabient_pipeline" else None

    graph: dict[str, set[str]] = {}
    for name, file in files.items():
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
        graph[name] = {target for full in imported_names(tree) if (target := resolved(full)) and target != name}
    return graph


def test_importing_the_package_loads_nothing_heavy():
    """It is the first line of a notebook."""
    heavy = {"dagster", "duckdb", "polars", "numpy", "pydantic", "httpx2", "httpx", *SDKS}
    assert not loaded_by("import grabient_pipeline") & heavy


def test_the_packages_load_without_dagster():
    """A notebook or a script can use the domain without an orchestrator."""
    modules = [module for name in (*PACKAGES, "pipeline") if name != "sandbox" for module in modules_below(name)]
    loaded = loaded_by("import " + ", ".join(modules))
    assert loaded >= set(modules)
    assert not {name for name in loaded if name.partition(".")[0] == "dagster"}


def test_no_sdk_is_loaded_before_it_is_used():
    """All four together take seconds; `grabient status` loads none of them."""
    modules = [*modules_below("batches"), *modules_below("imports"), "grabient_pipeline.pipeline"]
    modules += ["grabient_pipeline.providers.registry", "grabient_pipeline.providers.catalogue"]
    modules += ["grabient_pipeline.retrieval.find", "grabient_pipeline.retrieval.evaluation"]
    loaded = loaded_by("import " + ", ".join(modules))
    assert not loaded & SDKS
    # Nor the local embedding model, which only embedding and searching need.
    assert not loaded & {"tokenizers", "safetensors", "wordllama"}


@pytest.mark.parametrize("name", PACKAGES)
def test_imports_point_one_way(name: str):
    assert packages_imported_by(name) <= MAY_IMPORT[name]


def test_there_is_no_import_circle():
    """A circle means that none of its modules can be understood, tested or moved alone."""
    try:
        TopologicalSorter(import_graph()).prepare()
    except CycleError as error:
        pytest.fail("import circle: " + " -> ".join(error.args[1]))


def test_an_import_circle_would_be_found():
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
    graph = import_graph()
    assert "grabient_pipeline.batches.ledger" in graph["grabient_pipeline.batches.collect"]


def test_only_defs_imports_dagster():
    """The only exception are the jobs of the earlier system, which will be deleted with their package."""
    importers = {
        module_name(file).removeprefix("grabient_pipeline.")
        for file in PACKAGE.rglob("*.py")
        if {name.partition(".")[0] for name in imported_names(ast.parse(file.read_text("utf-8")))} & {"dagster"}
    }
    assert {name for name in importers if name.split(".")[0] not in DAGSTER} == {"convex.defs"}


@pytest.mark.parametrize("name", sorted(set(PACKAGES) - {"warehouse", "batches", "consensus", "imports", "scorecard"}))
def test_the_warehouse_is_the_single_access_layer_to_duckdb(name: str):
    """Other packages use connections that they are given; those exempt here name the type."""
    assert not {full for full in imports_of(name) if full.partition(".")[0] == "duckdb"}


def test_only_the_warehouse_opens_connections():
    for file in PACKAGE.rglob("*.py"):
        if file.parent.name == "warehouse":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "duckdb.connect", f"{file}:{node.lineno}"


def test_every_sql_file_is_read_by_its_own_package():
    """A statement is stored beside its reader, which calls `sql(__package__, "name")`."""
    unread = []
    for file in PACKAGE.rglob("sql/*.sql"):
        owner = file.parent.parent
        texts = [path.read_text("utf-8") for path in owner.glob("*.py")]
        if not any(f'"{file.stem}"' in text or f'"{file.name}"' in text for text in texts):
            unread.append(str(file.relative_to(PACKAGE)))
    assert unread == []


def test_the_list_of_crash_points_is_complete():
    """The drills use the list: a crash point that is missing there would never be tested."""
    marked = [
        node.args[0].value
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "crash_point"
    ]
    assert sorted(marked) == sorted(CRASH_POINTS)
