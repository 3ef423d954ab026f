"""A creation that is answered with an earlier batch, as by a gateway that replays a response."""

import pytest

PROVIDERS = ["anthropic", "openai", "groq", "google"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("created", [False, True])
def test_a_creation_can_be_answered_with_the_newest_earlier_batch(bench, provider, created):
    oldest, earlier = (bench.submit(provider, bench.rows_of(provider, 1)) for _ in range(2))
    bench.arm("replayed_creation", provider, times=1, created=created)
    assert bench.submit(provider, bench.rows_of(provider, 1)) == earlier
    listed = bench.listed(provider)
    assert (len(listed), listed[created:]) == (2 + created, [earlier, oldest])
    answered = [batch["creation_answered"] for batch in bench.report("batches")["batches"]]
    assert answered == [False] * created + [True, True]
    assert bench.submit(provider, bench.rows_of(provider, 1)) not in listed


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_an_earlier_batch_the_creation_succeeds(bench, provider):
    bench.arm("replayed_creation", provider, times=1)
    batch_id = bench.submit(provider, bench.rows_of(provider, 1))
    assert bench.listed(provider) == [batch_id]
    assert bench.report("faults")["armed"] == []
