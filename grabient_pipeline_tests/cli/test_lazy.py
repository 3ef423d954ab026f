"""Expensive imports: every lazy name exists, and help needs none of them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from grabient_pipeline.cli import lazy
from grabient_pipeline.convex import lazy as convex_lazy

LAZY_MODULES = (lazy, convex_lazy)


def declared_names(lazy_module: ModuleType) -> dict[str, str]:
    """Return the module of each name that a lazy module declares for type checkers."""
    tree = ast.parse(Path(str(lazy_module.__file__)).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


@pytest.mark.parametrize(
    ("lazy_module", "name"), [(module, name) for module in LAZY_MODULES for name in declared_names(module)]
)
def test_a_lazy_name_is_what_type_checkers_take_it_for(lazy_module: ModuleType, name: str) -> None:
    value = getattr(lazy_module, name)
    assert value is getattr(import_module(declared_names(lazy_module)[name]), name)


@pytest.mark.parametrize("lazy_module", LAZY_MODULES)
def test_every_lazy_name_is_declared(lazy_module: ModuleType) -> None:
    assert {*lazy_module._OWNERS, *getattr(lazy_module, "_MODULES", {})} == set(declared_names(lazy_module))
    with pytest.raises(AttributeError):
        _ = lazy_module.nonsense


def test_the_command_line_loads_without_anything_expensive() -> None:
    statement = "import json, sys, grabient_pipeline.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", statement], capture_output=True, check=True).stdout)
    expensive = {"dagster", "duckdb", "polars", "numpy", "pydantic", "rich", "uvicorn", "grabient_pipeline.pipeline"}
    assert not expensive & set(loaded)
