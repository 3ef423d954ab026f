"""Exports of the earlier system: in every age of its format, with every defect seen in practice, of any size.

Seeded, so the same arguments give the same export. A defect adds documents and changes none, so the rest of the export
has a known outcome.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grabient_pipeline.palette.seed import Seed, encode_seed

# The models of the earlier system: (provider, model).
MODELS = (
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5-nano"),
    ("groq", "llama-3.3-70b-versatile"),
    ("groq", "meta-llama/llama-4-scout-17b-16e-instruct"),
    ("groq", "qwen/qwen3-32b"),
    ("groq", "openai/gpt-oss-120b"),
    ("groq", "openai/gpt-oss-20b"),
    ("google", "gemini-2.0-flash"),
    ("google", "gemini-2.5-flash-lite"),
)
AGES = ("runs", "both", "indexes", "cycles")
VERSION, NEWER_VERSION, REFINEMENT_VERSION = "1b63a72d1b63", "5fa0c3e15fa0", "70d1be9970d1"

_WORDS = {
    "mood": "calm serene bold playful nostalgic tranquil energetic dreamy mysterious romantic".split(),
    "style": "bauhaus, art deco, mid century, vaporwave, scandinavian, memphis, retro, minimalist".split(", "),
    "harmony": "analogous complementary triadic monochromatic tetradic split-complementary".split(),
    "dominant_colors": "navy teal coral ochre plum sage".split(),
    "seasonal": ["autumn", "winter", "late summer", "halloween"],
    "associations": "sea glass, desert dusk, old map, velvet, coral reef, wet slate, candy shop, fern".split(", "),
}
_ONE = {
    "temperature": ("warm", "cool", "neutral", "cool-warm"),
    "contrast": ("high", "medium", "low"),
    "brightness": ("dark", "medium", "light", "varied"),
    "saturation": ("vibrant", "muted", "mixed"),
}
_START = 1_731_000_000_000.25


@dataclass
class Tables:
    """The documents of each table in the export."""

    documents: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def add(self, table: str, *documents: Any) -> None:
        self.documents.setdefault(table, []).extend(documents)


def convex_id(kind: str, number: int) -> str:
    """Return an id of 32 characters, like those of Convex."""
    return f"{kind}{number:0{32 - len(kind)}d}"


def seeds(count: int, seed: int = 7) -> list[str]:
    """Return seeds in the aligned encoding."""
    chance = random.Random(seed)
    return [encode_seed(Seed(tuple(round(chance.random(), 3) for _ in range(12)))) for _ in range(count)]


def tags(chance: random.Random) -> dict[str, Any]:
    """Return tags of the earlier system, including a field that is no longer requested."""
    answer: dict[str, Any] = {
        name: chance.sample(words, chance.randint(1, min(4, len(words)))) for name, words in _WORDS.items()
    }
    answer.update({name: chance.choice(values) for name, values in _ONE.items()})
    return answer


def export(
    age: str = "indexes", *, palettes: int = 3, analyses: int = 2, models: tuple[tuple[str, str], ...] = MODELS
) -> Tables:
    """Return a sound export of an age.

    - runs: the first months; runNumber only, malformed model names, no prompt versions, refinements without a model
    - both: analysisIndex beside runNumber, after the earlier system's own migration
    - indexes: analysisIndex only, config
    - cycles: the latest; prompt versions, refinement batches, a consensus, cycles, tables of other parts of the site
    """
    chance = random.Random(age)
    tables = Tables()
    if age != "cycles":
        tables.add("config", _document("c", 0, tagAnalysisCount=float(analyses)))
    spelt = seeds(palettes)
    for number, seed in enumerate(spelt):
        tables.add(
            "palettes", _document("p", number, seed=seed, imageUrl=f"https://images.example.com/palettes/{number}.png")
        )
    number = 0
    for place, (provider, model) in enumerate(models):
        first = age == "runs"
        names = {"provider": _bad_provider(provider, model), "model": model.rsplit("/", 1)[-1]} if first else {}
        for seed in spelt:
            for index in range(analyses):
                row = {"seed": seed, "provider": provider, "model": model, **names}
                if age != "runs":
                    row["analysisIndex"] = float(index)
                if age in ("runs", "both"):
                    row["runNumber"] = float(index + 1)
                version = NEWER_VERSION if age == "cycles" and index % 2 else VERSION
                usage = {"inputTokens": float(900 + place), "outputTokens": float(150 + index)}
                row |= {"promptVersion": version, "tags": tags(chance), "usage": usage}
                tables.add("palette_tags", _document("t", number, **row))
                number += 1
        batch = {
            "provider": provider,
            "model": model,
            "batchId": f"batch_{place}",
            "status": "completed",
            "requestCount": float(palettes * analyses),
            "completedCount": float(palettes * analyses),
            "failedCount": 0.0,
            "createdAt": _START,
            "completedAt": _START + 3_600_000,
        }
        if age == "cycles":
            batch |= {"cycle": 1.0, "analysisCount": float(analyses), "promptVersion": VERSION, "requestOrder": []}
        tables.add("tag_batches", _document("b", place, **batch))
    for number, seed in enumerate(spelt):
        refined = {"seed": seed, "tags": tags(chance), "embedText": f"the embed text of {number}"}
        if age != "runs":
            refined |= {"usage": {"inputTokens": 2100.0, "outputTokens": 300.0}}
        if age == "cycles":
            refined |= {
                "model": "claude-opus-4-5-20251101",
                "cycle": 1.0,
                "promptVersion": REFINEMENT_VERSION,
                "sourceCycles": [1.0],
            }
        tables.add("palette_tag_refined", _document("r", number, **refined))
    if age == "cycles":
        prompts = ((VERSION, "tagging"), (NEWER_VERSION, "tagging"), (REFINEMENT_VERSION, "refinement"))
        for number, (version, stage) in enumerate(prompts):
            content = f"You tag palettes.\nVersion {number}.\n"
            tables.add("prompt_versions", _document("v", number, version=version, type=stage, content=content))
        refinement = {
            "cycle": 1.0,
            "provider": "anthropic",
            "model": "claude-opus-4-5-20251101",
            "batchId": "msgbatch_refined",
            "status": "completed",
            "sourceCycles": [1.0],
            "requestCount": float(palettes),
            "completedCount": float(palettes),
            "failedCount": 0.0,
            "createdAt": _START,
            "completedAt": _START + 1,
            "requestOrder": spelt,
        }
        tables.add("refinement_batches", _document("f", 0, **refinement))
        tables.add("palette_tag_consensus", _document("n", 0, seed=spelt[0], promptVersion=VERSION, totalModels=10.0))
        tables.add("stats_cache", _document("s", 0, key="refinement_status", data={}))
    return tables


def _bad_provider(provider: str, model: str) -> str:
    """Return a provider name like `groq-gpt-oss-20b`, which Groq's models had."""
    return f"{provider}-{model.rsplit('/', 1)[-1]}" if provider == "groq" else provider


def document(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    """Return a document with an id and a creation time, like those of Convex."""
    return _document(kind, number, **fields)


def _document(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"_id": convex_id(kind, number), "_creationTime": _START + number, **fields}


# Defects seen in exports. Each function adds documents to a sound export.

Damage = Callable[[Tables], None]


def _answer(tables: Tables, number: int, **fields: Any) -> dict[str, Any]:
    """Return the first answer with another id and other fields; a field with the value `_GONE` is removed."""
    first = tables.documents["palette_tags"][0]
    changed = {**first, **_document("x", number), **fields}
    return {name: value for name, value in changed.items() if value is not _GONE}


_GONE = object()


def _another_spelling(tables: Tables) -> None:
    seed = tables.documents["palettes"][0]["seed"]
    spelt = decimal(seed)
    tables.add("palettes", _document("y", 1, seed=spelt, imageUrl="https://images.example.com/other.png"))
    tables.add("palette_tags", _answer(tables, 1, seed=spelt, analysisIndex=17.0))


def decimal(seed: str) -> str:
    """Return the same palette in the decimal encoding."""
    from grabient_pipeline.palette.seed import decode_seed

    return ",".join(f"{value:g}" for value in decode_seed(seed).coefficients)


DEFECTS: dict[str, Damage] = {
    "another spelling": _another_spelling,
    "doubled palette": lambda tables: tables.add("palettes", {**tables.documents["palettes"][0], **_document("y", 2)}),
    "seed that is none": lambda tables: tables.add("palettes", _document("y", 3, seed="no seed", imageUrl="x")),
    "palette without a seed": lambda tables: tables.add("palettes", _document("y", 4, imageUrl="x")),
    "answer to a seed that is none": lambda tables: tables.add("palette_tags", _answer(tables, 2, seed="no seed")),
    "palette that only its answers name": lambda tables: tables.add(
        "palette_tags", _answer(tables, 3, seed=seeds(1, seed=99)[0])
    ),
    "unknown model": lambda tables: tables.add("palette_tags", _answer(tables, 4, provider="groq", model="llama-9")),
    "unknown provider": lambda tables: tables.add("palette_tags", _answer(tables, 5, provider="acme", model="x")),
    "names of two models": lambda tables: tables.add(
        "palette_tags", _answer(tables, 6, provider="groq-qwen3-32b", model="openai/gpt-oss-20b")
    ),
    "error": lambda tables: tables.add(
        "palette_tags", _answer(tables, 7, analysisIndex=11.0, tags=None, error="Parse error: Unexpected token")
    ),
    "error and its success": lambda tables: tables.add(
        "palette_tags",
        _answer(tables, 8, analysisIndex=12.0, tags=None, error="rate limited"),
        _answer(tables, 9, analysisIndex=12.0),
    ),
    "doubled answer": lambda tables: tables.add(
        "palette_tags", _answer(tables, 10, analysisIndex=13.0), _answer(tables, 11, analysisIndex=13.0)
    ),
    "index with a fraction": lambda tables: tables.add("palette_tags", _answer(tables, 12, analysisIndex=1.5)),
    "index below 0": lambda tables: tables.add("palette_tags", _answer(tables, 13, analysisIndex=-1.0)),
    "run 0": lambda tables: tables.add("palette_tags", _answer(tables, 14, analysisIndex=_GONE, runNumber=0.0)),
    "neither index nor run": lambda tables: tables.add(
        "palette_tags", _answer(tables, 15, analysisIndex=_GONE, runNumber=_GONE)
    ),
    "no prompt version": lambda tables: tables.add("palette_tags", _answer(tables, 16, promptVersion=_GONE)),
    "tags that are none": lambda tables: tables.add(
        "palette_tags",
        _answer(tables, 17, analysisIndex=14.0, tags={"mood": "not asked"}),
        _answer(tables, 18, analysisIndex=15.0, tags={}),
    ),
    "line that is not JSON": lambda tables: tables.add("palette_tags", b'{"_id": "cut off, '),
    "line that is no object": lambda tables: tables.add("palette_tags", b"[1, 2]"),
    "line that is no UTF-8": lambda tables: tables.add("palette_tags", b'{"_id": "\xff\xfe"}'),
    "document without an id": lambda tables: tables.add(
        "palette_tags", _answer(tables, 19, analysisIndex=16.0, _id=_GONE, _creationTime=_GONE)
    ),
    "setting out of bounds": lambda tables: tables.add("config", _document("c", 9, tagAnalysisCount=40.0)),
    "batch with an unknown status": lambda tables: tables.add(
        "tag_batches", {**tables.documents["tag_batches"][0], **_document("z", 1), "batchId": "b1", "status": "lost"}
    ),
    "batch under way": lambda tables: tables.add(
        "tag_batches",
        {**tables.documents["tag_batches"][0], **_document("z", 2), "batchId": "b2", "status": "processing"},
    ),
    "batch under way without an id": lambda tables: tables.add(
        "tag_batches", {**tables.documents["tag_batches"][0], **_document("z", 3), "batchId": "", "status": "pending"}
    ),
    "batch under way at Google": lambda tables: tables.add(
        "tag_batches",
        {
            **tables.documents["tag_batches"][0],
            **_document("z", 4, provider="google", model="gemini-2.0-flash", batchId="batches/1", status="pending"),
        },
    ),
}


def write_zip(path: Path, tables: Tables, *, prefix: str = "", missing: tuple[str, ...] = ()) -> Path:
    """Write a zip like that of `npx convex export`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{prefix}README.md", "# An export\n")
        archive.writestr(f"{prefix}_tables/{DOCUMENTS}", "".join(f'{{"name":"{name}"}}\n' for name in tables.documents))
        for name in tables.documents:
            if name not in missing:
                archive.writestr(f"{prefix}{name}/{DOCUMENTS}", b"".join(encoded(tables.documents[name])))
                archive.writestr(f"{prefix}{name}/generated_schema.jsonl", '"any"\n')
    return path


def write_folder(path: Path, tables: Tables) -> Path:
    """Write the same as an unpacked folder."""
    for name, rows in tables.documents.items():
        folder = path / name
        folder.mkdir(parents=True)
        (folder / DOCUMENTS).write_bytes(b"".join(encoded(rows)))
    return path


DOCUMENTS = "documents.jsonl"


def encoded(rows: list[Any]) -> Iterator[bytes]:
    """Yield documents as lines; bytes are lines already."""
    for row in rows:
        yield (row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode()) + b"\n"


def write_large_zip(path: Path, answers: int, *, palettes: int) -> Path:
    """Write an export of the latest age with this number of answers, as a stream."""
    chance = random.Random(3)
    variety = [json.dumps(tags(chance), separators=(",", ":")) for _ in range(997)]
    spelt = seeds(palettes)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with _table(archive, "palettes") as write:
            for number, seed in enumerate(spelt):
                write(
                    f'{{"_creationTime":{_START + number},"_id":"{convex_id("p", number)}","imageUrl":"https://i/{number}"'
                )
                write(f',"seed":"{seed}"}}\n')
        with _table(archive, "palette_tags") as write:
            for number in range(answers):
                place, index = divmod(number, palettes)
                provider, model = MODELS[place % len(MODELS)]
                write(
                    f'{{"_creationTime":{_START + number},"_id":"{convex_id("t", number)}",'
                    f'"analysisIndex":{place // len(MODELS)}.0,"model":"{model}","promptVersion":"{VERSION}",'
                    f'"provider":"{provider}","seed":"{spelt[index]}","tags":{variety[number % 997]},'
                    f'"usage":{{"inputTokens":{900 + index % 50}.0,"outputTokens":{150 + place}.0}}}}\n'
                )
    return path


@contextmanager
def _table(archive: zipfile.ZipFile, name: str) -> Iterator[Callable[[str], object]]:
    with archive.open(f"{name}/{DOCUMENTS}", "w", force_zip64=True) as raw:
        with io.TextIOWrapper(io.BufferedWriter(raw, 1 << 20), "utf-8") as stream:  # pyright: ignore
            yield stream.write
