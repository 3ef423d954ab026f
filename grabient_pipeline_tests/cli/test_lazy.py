"""Expensive imports: every lazy name exists, and help needs none of them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from grabient_pipeline.cli import lazy


def declared_names() -> dict[str, str]:
    """Return the module of each name that `lazy` declares for type checkers."""
    tree = ast.parse(Path(lazy.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


@pytest.mark.parametrize("name", declared_names())
def test_a_lazy_name_is_what_type_checkers_take_it_for(name: str) -> None:
    value = getattr(lazy, name)
    assert value is getattr(import_module(declared_names()[name]), name)


def test_every_lazy_name_is_declared() -> None:
    assert {*lazy._OWNERS, *lazy._MODULES} == set(declared_names())
    with pytest.raises(AttributeError):
        _ = lazy.nonsense


def test_the_command_line_loads_without_anything_expensive() -> None:
    statement = "import json, sys, grabient_pipeline.cli; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", statement], capture_output=True, check=True).stdout)
    expensive = {"dagster", "duckdb", "polars", "numpy", "pydantic", "rich", "uvicorn", "grabient_pipeline.pipeline"}
    assert not expensive & set(loaded)
