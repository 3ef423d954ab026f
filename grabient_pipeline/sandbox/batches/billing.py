"""Billing: requests of batches that have ended, ordinary calls and embeddings, and how often the same was billed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grabient_pipeline.sandbox.batch import Batch
from grabient_pipeline.sandbox.batches.dialect import Row
from grabient_pipeline.sandbox.model.answers import Answer
from grabient_pipeline.sandbox.model.colours import hexes_in
from grabient_pipeline.sandbox.store import Store, now

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


class BilledRequest(NamedTuple):
    """A billed request; its field names are those of the control API."""

    provider: str
    # None for an ordinary call.
    batch: str | None
    # Empty if an ordinary call had none.
    custom_id: str
    model: str
    # The same for every request with the same prompt about the same palette.
    question: str
    # Cached and written tokens are part of the input, reasoning tokens of the output.
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    # The tier that served an ordinary call; empty in a batch, and where there is only one.
    service_tier: str
    # "own" if its pictures show the palette of its text, "other" if one does not, empty without pictures.
    picture: str = ""


def billing_line(row: Row, answer: Answer) -> bytes:
    """The record of a billed request: the fields of `BilledRequest` from its custom id on, separated by tabs."""
    custom_id = row.custom_id
    if not custom_id.isprintable():
        # A tab or newline in it would be read as a separator.
        custom_id = "".join(letter if letter.isprintable() else " " for letter in custom_id)
    return "\t".join(
        (
            custom_id,
            row.model,
            answer.identity,
            str(answer.input_tokens),
            str(answer.output_tokens),
            str(answer.cached_tokens),
            str(answer.cache_write_tokens),
            str(answer.reasoning_tokens),
            answer.service_tier,
            _picture_of(row),
        )
    ).encode()


def _picture_of(row: Row) -> str:
    if row.prompt is None or not row.prompt.pictures:
        return ""
    colours = hexes_in(row.prompt.user)
    return "own" if all(picture.shows(colours) for picture in row.prompt.pictures) else "other"


def _read_bill(provider: str, batch: str | None, line: bytes) -> BilledRequest:
    custom_id, model, question, *counts, service_tier, picture = line.decode().split("\t")
    sent, made, cached, written, reasoning = map(int, counts)
    return BilledRequest(
        provider, batch, custom_id, model, question, sent, made, cached, written, reasoning, service_tier, picture
    )


class Billing:
    """The bills of all providers, in files of the store.

    Ordinary calls and embeddings are recorded here; the batch worker records the requests of batches.
    """

    def __init__(self, store: Store, providers: Sequence[str]) -> None:
        self._store = store
        self._providers = providers

    def add_direct(self, provider: str, row: Row, answer: Answer) -> None:
        """Bill an ordinary call."""
        self._add(self._direct(provider), billing_line(row, answer) + b"\n")

    def add_embeddings(self, provider: str, texts: Iterable[tuple[str, int]]) -> None:
        """Bill the texts of one call, each given by its identity and its tokens."""
        self._add(
            self._embeddings(provider), b"".join(f"{text}\t{tokens}\n".encode() for text, tokens in texts) + b"\n"
        )

    @staticmethod
    def _add(path: Path, lines: bytes) -> None:
        # A single write, so that concurrent readers see whole lines.
        with path.open("ab", buffering=0) as file:
            file.write(lines)

    def _direct(self, provider: str) -> Path:
        return self._store.directory / "billed" / f"direct.{provider}"

    def _embeddings(self, provider: str) -> Path:
        return self._store.directory / "billed" / f"embeddings.{provider}"

    def bills(self, provider: str | None = None, batch: str | None = None) -> Iterator[BilledRequest]:
        """Every billed request, or those of one provider or one batch."""
        for each in self._ended(provider):
            if batch in (None, each.id):
                yield from self._bills_of(each)
        if batch is not None:
            return
        for each in self._providers if provider is None else (provider,):
            for line in _lines(self._direct(each)):
                yield _read_bill(each, None, line)

    def _ended(self, provider: str | None) -> list[Batch]:
        moment = now()
        batches = self._store.batches(provider)
        return [batch for batch in batches if batch.outcome is not None and batch.phase(moment).ended]

    def _bills_of(self, batch: Batch) -> Iterator[BilledRequest]:
        for line in _lines(self._store.billed_path(batch)):
            yield _read_bill(batch.provider, batch.id, line)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Counts and tokens by provider; batches count once they have ended."""
        return {provider: self._summary_of(provider) for provider in self._providers}

    def _summary_of(self, provider: str) -> dict[str, Any]:
        custom_ids: Counter[str] = Counter()
        questions: Counter[tuple[str, str]] = Counter()
        tiers: Counter[str] = Counter()
        pictures: Counter[str] = Counter()
        direct = nameless = 0
        of_batches: Counter[str] = Counter()
        of_calls: Counter[str] = Counter()
        for bill in self.bills(provider):
            tokens = of_calls if bill.batch is None else of_batches
            for name in _TOKENS:
                tokens[name] += getattr(bill, name)
            questions[bill.model, bill.question] += 1
            pictures[bill.picture] += 1
            direct += bill.batch is None
            tiers[bill.service_tier or "default"] += bill.batch is None
            if bill.custom_id:
                custom_ids[bill.custom_id] += 1
            else:
                nameless += 1
        times = Counter(questions.values())
        return {
            "requests": questions.total() - direct,
            "direct_requests": direct,
            "direct_requests_by_tier": {tier: count for tier, count in sorted(tiers.items()) if count},
            "direct_requests_without_custom_id": nameless,
            "custom_ids": len(custom_ids),
            "custom_ids_billed_more_than_once": sum(count > 1 for count in custom_ids.values()),
            "distinct_questions": len(questions),
            "questions_by_times_billed": {str(count): times[count] for count in sorted(times)},
            "requests_with_pictures": pictures["own"] + pictures["other"],
            "pictures_of_other_palettes": pictures["other"],
            **{name: of_batches[name] for name in _TOKENS},
            **{f"direct_{name}": of_calls[name] for name in _TOKENS},
            **self._embedded_by(provider),
        }

    def _embedded_by(self, provider: str) -> dict[str, int]:
        path = self._embeddings(provider)
        content = path.read_bytes() if path.exists() else b""
        texts = [line.partition(b"\t") for line in content.split(b"\n") if line]
        return {
            # Each call ends with a blank line.
            "embedding_requests": content.count(b"\n\n"),
            "embedding_texts": len(texts),
            "distinct_embedding_texts": len({text for text, _, _ in texts}),
            "embedding_tokens": sum(int(tokens) for _, _, tokens in texts),
        }


def _lines(path: Path) -> Iterator[bytes]:
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")
