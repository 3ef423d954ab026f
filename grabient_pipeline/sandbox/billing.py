"""What was billed: requests of batches that have ended, ordinary calls, embeddings; and how often the same was."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider
from grabient_pipeline.sandbox.answers import Answer
from grabient_pipeline.sandbox.production import Row, bill_of
from grabient_pipeline.sandbox.store import Batch, Store, now


class Bill(NamedTuple):
    """A request that was billed."""

    provider: Provider
    # None: an ordinary call.
    batch: str | None
    # Empty where an ordinary call named none.
    custom_id: str
    model: str
    # The same for everyone who asks the same about the same palette.
    question: str


class Billing:
    """The bills of all providers. What is billed at once is kept here, what batches cost beside them in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_direct(self, provider: Provider, row: Row, answer: Answer) -> None:
        """Bill an ordinary call."""
        line = bill_of(row, answer) + f"\t{answer.input_tokens}\t{answer.output_tokens}\n".encode()
        self._add(self._direct(provider), line)

    def add_embeddings(self, provider: Provider, texts: Iterable[tuple[str, int]]) -> None:
        """Bill the texts of one call: what tells each apart, and its tokens."""
        self._add(
            self._embeddings(provider), b"".join(f"{text}\t{tokens}\n".encode() for text, tokens in texts) + b"\n"
        )

    @staticmethod
    def _add(path: Path, lines: bytes) -> None:
        # One write, so that who reads meanwhile finds whole lines.
        with path.open("ab", buffering=0) as file:
            file.write(lines)

    def _direct(self, provider: Provider) -> Path:
        return self._store.directory / "billed" / f"direct.{provider}"

    def _embeddings(self, provider: Provider) -> Path:
        return self._store.directory / "billed" / f"embeddings.{provider}"

    def bills(self, provider: Provider | None = None, batch: str | None = None) -> Iterator[Bill]:
        """Every request that was billed, of one provider or one batch if so wanted."""
        for each in self._ended(provider):
            if batch in (None, each.id):
                yield from self._bills_of(each)
        if batch is not None:
            return
        for each in PROVIDERS if provider is None else (provider,):
            for line in _lines(self._direct(each)):
                custom_id, model, question, _, _ = line.decode().split("\t")
                yield Bill(each, None, custom_id, model, question)

    def _ended(self, provider: Provider | None) -> list[Batch]:
        moment = now()
        batches = self._store.batches(provider)
        return [batch for batch in batches if batch.outcome is not None and batch.phase(moment).ended]

    def _bills_of(self, batch: Batch) -> Iterator[Bill]:
        for line in _lines(self._store.billed_path(batch)):
            custom_id, model, question = line.decode().split("\t")
            yield Bill(batch.provider, batch.id, custom_id, model, question)

    def summary(self) -> dict[Provider, dict[str, Any]]:
        """Counts and tokens, a provider at a time."""
        return {provider: self._summary_of(provider) for provider in PROVIDERS}

    def _summary_of(self, provider: Provider) -> dict[str, Any]:
        custom_ids: Counter[str] = Counter()
        questions: Counter[tuple[str, str]] = Counter()
        direct = nameless = 0
        for bill in self.bills(provider):
            questions[bill.model, bill.question] += 1
            direct += bill.batch is None
            if bill.custom_id:
                custom_ids[bill.custom_id] += 1
            else:
                nameless += 1
        outcomes = [batch.outcome for batch in self._ended(provider) if batch.outcome is not None]
        tokens = [line.rsplit(b"\t", 2)[1:] for line in _lines(self._direct(provider))]
        times = Counter(questions.values())
        return {
            "requests": questions.total() - direct,
            "direct_requests": direct,
            "direct_requests_without_custom_id": nameless,
            "custom_ids": len(custom_ids),
            "custom_ids_billed_more_than_once": sum(count > 1 for count in custom_ids.values()),
            "distinct_questions": len(questions),
            "questions_by_times_billed": {str(count): times[count] for count in sorted(times)},
            "input_tokens": sum(outcome.input_tokens for outcome in outcomes),
            "output_tokens": sum(outcome.output_tokens for outcome in outcomes),
            "direct_input_tokens": sum(int(sent) for sent, _ in tokens),
            "direct_output_tokens": sum(int(made) for _, made in tokens),
            **self._embedded_by(provider),
        }

    def _embedded_by(self, provider: Provider) -> dict[str, int]:
        path = self._embeddings(provider)
        content = path.read_bytes() if path.exists() else b""
        texts = [line.partition(b"\t") for line in content.split(b"\n") if line]
        return {
            # A blank line ends each call.
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
