"""Write the documents that are made from the code anew: `docs/tables.md` and `docs/costs.md`.

    python scripts/write_docs.py

The costs are those that a dry run tells, so they change with the price list that is installed; what a refinement costs
depends on how many different tags there are, and is estimated after the sandbox has tagged the sample palettes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from grabient_pipeline.batches.backfill import BackfillReport  # noqa: E402
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest  # noqa: E402
from grabient_pipeline.pipeline import Pipeline  # noqa: E402
from grabient_pipeline.providers.catalogue import load_catalogue, price_list_version  # noqa: E402
from grabient_pipeline.sandbox import SandboxServer  # noqa: E402
from grabient_pipeline.settings import Settings  # noqa: E402

DOCS = ROOT / "docs"
ANALYSES = 8
SAMPLES, MANY = 182, 10_000
NO_CAP = 1e9
REFINING_MODELS = ("anthropic/claude-opus-4-5-20251101", "anthropic/claude-haiku-4-5-20251001", "openai/gpt-5-nano")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Settings(Path(folder) / "data"), {})
        (DOCS / "tables.md").write_text(tables(pipeline), "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (DOCS / "costs.md").write_text(costs(Path(folder)), "utf-8")


def tables(pipeline: Pipeline) -> str:
    """Every table and view of a fresh database, with the comments that its schema gives them."""
    with pipeline.warehouse.connect() as connection:
        relations = connection.execute(
            "SELECT table_name, 'table' AS kind, comment FROM duckdb_tables() WHERE NOT internal AND NOT temporary "
            "UNION ALL SELECT view_name, 'view', comment FROM duckdb_views() WHERE NOT internal AND NOT temporary "
            "ORDER BY kind, table_name"
        ).fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal "
            "ORDER BY table_name, column_index"
        ).fetchall()
    text = [
        "# Tables and columns",
        "",
        "Everything in `data/grabient.duckdb`, as the schema itself describes it. This file is made by "
        "`scripts/write_docs.py`.",
        "",
        ", ".join(f"[`{name}`](#{name})" for name, _, _ in relations),
    ]
    for name, kind, comment in relations:
        text += ["", f"## {name}", "", f"A {kind}. {_sentence(comment)}", ""]
        text += ["| column | type | what it is |", "| --- | --- | --- |"]
        text += [
            f"| `{column}` | {_cell(_short(type_))} | {_cell(said or '')} |"
            for table, column, type_, said in columns
            if table == name
        ]
    return "\n".join(text) + "\n"


def tagging_costs(pipeline: Pipeline) -> str:
    """What tagging the sample palettes costs, model by model, and ten thousand like them."""
    every = [model.name for model in load_catalogue().models]
    report = pipeline.backfill(
        BackfillRequest(models=every, analysis_count=ANALYSES, include_retired=True, max_cost_usd=NO_CAP, dry_run=True)
    )
    direct = pipeline.backfill(
        BackfillRequest(
            models=every,
            analysis_count=ANALYSES,
            include_retired=True,
            max_cost_usd=NO_CAP,
            dry_run=True,
            direct=True,
        )
    )
    batched, ordinary = _by_model(report), _by_model(direct)
    lines = [
        f"| model | {SAMPLES} palettes | {MANY:,} palettes | {MANY:,} by ordinary calls | |",
        "| --- | --: | --: | --: | --- |",
    ]
    ten = 0.0
    for model in load_catalogue().models:
        cost = batched[model.name]
        ten += cost if model.enabled else 0.0
        note = "one of the ten" if model.enabled else ""
        if model.retired():
            note += f"{', ' if note else ''}retired on {model.ends_on}"
        many, called = cost * MANY / SAMPLES, ordinary[model.name] * MANY / SAMPLES
        lines.append(f"| `{model.name}` | {_usd(cost)} | {_usd(many)} | {_usd(called)} | {note} |")
    lines.append(f"| all of the ten | {_usd(ten)} | {_usd(ten * MANY / SAMPLES)} | | |")
    return "\n".join(lines)


def costs(folder: Path) -> str:
    """The document of the costs."""
    with SandboxServer(where="process", batch_seconds=0.1) as server:
        pipeline = Pipeline(Settings(folder / "data", sandbox=True), server.environment())
        pipeline.import_sample_palettes()
        tagging = tagging_costs(pipeline)
        pipeline.backfill(BackfillRequest(analysis_count=ANALYSES, include_retired=True, max_cost_usd=NO_CAP))
        while pipeline.poll().pending:
            time.sleep(0.1)
        pipeline.collect()
        pipeline.parse_answers()
        pipeline.count_consensus()
        refining = {
            name: pipeline.refine(
                RefinementRequest(model=name, include_retired=True, max_cost_usd=NO_CAP, dry_run=True)
            ).batches.estimated_cost_usd
            for name in REFINING_MODELS
        }
    refinement = "\n".join(
        f"| `{name}` | {_usd(cost)} | {_usd(cost * MANY / SAMPLES)} |" for name, cost in refining.items()
    )
    return f"""\
# What it costs

Estimates, as `grabient backfill --dry-run` and `grabient refine --dry-run` make them: at the batch prices of
{price_list_version()}, before anything has been answered. After the first answers the estimate goes by how long a
model's answers really are. Nothing is submitted above the cap (`--max-cost`, `GRABIENT_MAX_COST_USD`, by default $25),
which counts what is under way as well. This file is made by `scripts/write_docs.py`.

## Tagging

{ANALYSES} answers a palette and model; the {SAMPLES} sample palettes, and {MANY:,} like them. Ordinary calls, for
accounts without batch access, cost the full price.

{tagging}

## Refinement

Once a palette, by one model, which is shown the counted tags of the ten models.

| model | {SAMPLES} palettes | {MANY:,} palettes |
| --- | --: | --: |
{refinement}

## Embeddings

The local model costs nothing. `openai/text-embedding-3-small` costs $0.02 and `google/gemini-embedding-001` $0.15 a
million tokens. An embed text has at most 120 words, so 10,000 palettes come to a few cents with the one and to some
thirty with the other.
"""


def _by_model(report: BackfillReport) -> dict[str, float]:
    total: dict[str, float] = {}
    for batch in report.batches:
        total[batch.model.name] = total.get(batch.model.name, 0.0) + batch.estimated_cost_usd
    return total


def _usd(cost: float) -> str:
    return f"${cost:,.2f}" if cost >= 0.1 else f"${cost:.3f}"


def _short(type_: str) -> str:
    return type_ if len(type_) <= 60 else f"{type_[:57]}..."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(comment: str | None) -> str:
    return f"{comment}." if comment else ""


if __name__ == "__main__":
    main()
