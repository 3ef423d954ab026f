"""Where the catalogue differs from what its sources say."""

from __future__ import annotations

import datetime as dt

import pytest

from grabient_pipeline.providers.base import OfferedModel
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.catalogue_age import (
    PRICE_LIST,
    ModelFact,
    SourceCheck,
    announced_facts,
    compare,
    find_ending,
    models_in_use,
    offered_facts,
    price_fact,
    sdk_source,
)
from grabient_pipeline.providers.prices import ListedPrice, Price, listed_on

CATALOGUE = load_catalogue()
TODAY = dt.date(2026, 11, 28)
NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
NANO, MINI, LUNA = "openai/gpt-5-nano", "openai/gpt-4o-mini", "openai/gpt-6-luna"
OPUS, SONNET, HAIKU = "anthropic/claude-opus-4-5-20251101", "anthropic/claude-sonnet-5-5", "anthropic/claude-haiku-5-5"
OSS, LLAMA, GEMINI = "groq/openai/gpt-oss-20b", "groq/llama-3.3-70b-versatile", "google/gemini-2.5-flash-lite"
IN_USE = {NANO, MINI, OSS, GEMINI, OPUS, HAIKU}


def find(*facts, source="openai", today=TODAY, in_use=IN_USE, **options):
    return compare(CATALOGUE, [SourceCheck(source, NOW, facts)], in_use, today, **options)


def only(*facts, **options):
    (finding,) = find(*facts, **options)
    return finding


class TestEnds:
    def test_the_same_end_is_no_finding(self):
        assert find(ModelFact(NANO, True, dt.date(2026, 12, 11))) == []

    def test_no_end_on_either_side(self):
        assert find(ModelFact(LUNA, True)) == []

    def test_an_end_that_only_the_catalogue_has(self):
        """Providers announce some ends in their documents only."""
        assert find(ModelFact(NANO, True)) == []

    def test_another_end(self):
        finding = only(ModelFact(NANO, True, dt.date(2026, 12, 24)))
        assert (finding.kind, finding.model, finding.in_use) == ("other_end", NANO, True)
        assert finding.sentence == "OpenAI says that it ends on 2026-12-24, not on 2026-12-11"
        assert finding.change == f"catalogue.toml, [[models]] {NANO}: ends_on = 2026-12-24"
        assert (
            finding.text.startswith(f"{NANO}: OpenAI says")
            and "(checked on 2026-11-28); catalogue.toml" in finding.text
        )

    def test_a_new_end_needs_a_replacement_too(self):
        finding = only(ModelFact(HAIKU, True, dt.date(2027, 5, 1)), source="anthropic")
        assert (finding.kind, finding.line) == (
            "other_end",
            'ends_on = 2027-05-01 and replacement = "anthropic/claude-haiku-4-5-20251001"',
        )
        assert only(ModelFact(OSS, True, dt.date(2027, 5, 1))).line.endswith('replacement = "PROVIDER/ID"')

    def test_an_end_that_has_come(self):
        finding = only(ModelFact(NANO, True, dt.date(2026, 11, 20)))
        assert (finding.kind, finding.line) == ("ended", "ends_on = 2026-11-20")

    def test_a_retired_model(self):
        finding = only(ModelFact(NANO, True, is_retired=True))
        assert (finding.kind, finding.line) == ("ended", "ends_on = 2026-11-28")

    def test_an_end_that_is_not_known(self):
        finding = only(ModelFact(GEMINI, True, is_deprecated=True), source="google")
        assert (finding.kind, finding.sentence) == ("unknown_end", "Google says that it ends, and not when")
        assert finding.line.startswith("ends_on = YYYY-MM-DD")
        assert find(ModelFact(NANO, True, is_deprecated=True)) == []

    def test_an_end_that_cannot_be_read(self):
        finding = only(ModelFact(NANO, True, unreadable_end="in spring"))
        assert (finding.kind, finding.sentence) == ("unknown_end", "OpenAI says that it ends: in spring")

    def test_a_retired_model_with_another_day(self):
        finding = only(ModelFact(LLAMA, True, dt.date(2026, 12, 31)), source="groq")
        assert (finding.kind, finding.in_use) == ("other_end", False)


class TestLists:
    def test_a_model_that_is_gone(self):
        finding = only(ModelFact(NANO, is_listed=False))
        assert (finding.kind, finding.line) == ("gone", "ends_on = 2026-11-28")

    def test_a_retired_model_is_rightly_gone(self):
        assert find(ModelFact(LLAMA, is_listed=False), source="groq") == []

    def test_a_retired_model_that_is_still_offered(self):
        fact = ModelFact(LLAMA, True)
        assert only(fact, source="groq").kind == "still_offered"
        assert find(fact, source="groq", keeps_retired=True) == []

    def test_a_model_without_batches(self):
        finding = only(ModelFact(GEMINI, True, takes_batches=False), source="google")
        assert (finding.kind, finding.line) == ("no_batches", 'note = "takes no batches"')

    def test_facts_of_a_list(self):
        facts = offered_facts(CATALOGUE, "openai", [OfferedModel("gpt-5-nano", TODAY), OfferedModel("other")])
        by_name = {fact.model: fact for fact in facts}
        assert by_name.keys() == {each.name for each in CATALOGUE.models if each.provider == "openai"}
        assert by_name[NANO] == ModelFact(NANO, True, TODAY)
        assert by_name[MINI] == ModelFact(MINI, is_listed=False)

    def test_a_model_that_has_left_the_catalogue(self):
        assert find(ModelFact("openai/gone", is_listed=False)) == []


class TestSdk:
    def test_its_ends(self):
        facts = announced_facts(CATALOGUE, "anthropic", [("claude-opus-4-5-20251101", "March 3rd, 2027")])
        finding = only(*facts, source=sdk_source("anthropic"))
        assert finding.sentence == "Anthropic's SDK says that it ends on 2027-03-03, not on 2027-01-22"

    def test_a_model_that_it_does_not_name_is_not_gone(self):
        facts = announced_facts(CATALOGUE, "anthropic", [])
        assert len(facts) > 3
        assert find(*facts, source=sdk_source("anthropic")) == []

    def test_the_list_knows_better_than_the_sdk(self):
        listed = SourceCheck("anthropic", NOW, (ModelFact(OPUS, True, dt.date(2027, 1, 22)),))
        sdk = SourceCheck(sdk_source("anthropic"), NOW, (ModelFact(OPUS, None, dt.date(2026, 12, 1)),))
        assert compare(CATALOGUE, [sdk, listed], IN_USE, TODAY) == []
        (finding,) = compare(CATALOGUE, [sdk], IN_USE, TODAY)
        assert finding.kind == "other_end"

    def test_the_same_from_two_sources_is_one_finding(self):
        sources = "anthropic", sdk_source("anthropic")
        checks = [SourceCheck(source, NOW, (ModelFact(OPUS, None, dt.date(2027, 2, 1)),)) for source in sources]
        (finding,) = compare(CATALOGUE, checks, IN_USE, TODAY)
        assert finding.sentence.startswith("Anthropic says")


class TestPrices:
    def test_the_installed_list_has_the_prices_of_the_catalogue(self):
        """If this fails, prices have changed: see the comment at the end of catalogue.toml."""
        facts = [price_fact(each, listed_on(TODAY, each.provider, each.id)) for each in CATALOGUE.models]
        assert find(*facts, source=PRICE_LIST) == []

    def test_every_model_has_a_checked_price(self):
        assert CATALOGUE.checked_prices.usd_per_million.keys() == {each.name for each in CATALOGUE.models}

    def test_another_price(self):
        finding = only(price_fact(CATALOGUE.model(NANO), ListedPrice(Price(0.1, 0.4), False)), source=PRICE_LIST)
        assert (finding.kind, finding.under) == ("price_changed", "[checked_prices.usd_per_million]")
        assert finding.line == '"openai/gpt-5-nano" = [0.1, 0.4]'
        assert finding.sentence == (
            "it costs $0.1 in and $0.4 out per million tokens; "
            "on 2026-11-28 it was $0.05 in and $0.4 out per million tokens"
        )

    def test_a_model_that_the_list_lacks(self):
        assert listed_on(TODAY, "openai", "no-such-model") is None
        assert only(price_fact(CATALOGUE.model(NANO), None), source=PRICE_LIST).kind == "not_priced"

    def test_a_price_that_was_never_checked(self):
        prices = CATALOGUE.checked_prices.model_copy(update={"usd_per_million": {}})
        catalogue = CATALOGUE.model_copy(update={"checked_prices": prices})
        fact = price_fact(CATALOGUE.model(NANO), ListedPrice(Price(0.05, 0.4), False))
        (finding,) = compare(catalogue, [SourceCheck(PRICE_LIST, NOW, (fact,))], IN_USE, TODAY)
        assert (finding.kind, finding.line) == ("price_unchecked", '"openai/gpt-5-nano" = [0.05, 0.4]')

    def test_a_deprecated_model(self):
        price = ListedPrice(Price(0.1, 0.4), True)
        assert only(price_fact(CATALOGUE.model(GEMINI), price), source=PRICE_LIST).kind == "unknown_end"

    def test_retired_models_may_lose_their_price(self):
        assert find(price_fact(CATALOGUE.model(LLAMA), None), source=PRICE_LIST) == []


class TestSoon:
    def test_within_60_days(self):
        found = find_ending(CATALOGUE, IN_USE, TODAY)
        assert [(each.model, each.kind) for each in found] == [(name, "ends_soon") for name in (NANO, MINI, OPUS)]
        assert found[0].sentence.startswith("ends on 2026-12-11, in 13 days; no other is named for its place")
        assert found[0].change == f'catalogue.toml, [[places]] {NANO}: successors = ["PROVIDER/ID"]'

    def test_with_a_successor_nothing_is_to_change(self):
        (finding,) = [each for each in find_ending(CATALOGUE, IN_USE, TODAY) if each.model == OPUS]
        assert finding.sentence.endswith(f"{SONNET} is next for its place")
        assert (finding.line, finding.change) == ("", "")

    def test_a_model_that_is_not_in_use(self):
        (finding,) = [each for each in find_ending(CATALOGUE, {MINI}, TODAY) if each.model == NANO]
        assert (finding.in_use, finding.line) == (False, "")

    def test_neither_earlier_nor_later(self):
        assert find_ending(CATALOGUE, IN_USE, dt.date(2026, 9, 1)) == []
        assert NANO not in [each.model for each in find_ending(CATALOGUE, IN_USE, dt.date(2026, 12, 11))]


class TestInUse:
    def test_the_first_of_each_place_that_lives(self):
        used = models_in_use(None, TODAY)
        assert used >= {NANO, MINI, OSS, "openai/gpt-5.6-luna", HAIKU}
        assert not any(CATALOGUE.model(name).retired(TODAY) for name in used)
        assert OPUS not in used

    def test_the_refiner_and_its_successor(self):
        assert OPUS in models_in_use(OPUS, TODAY)
        assert SONNET in models_in_use(OPUS, dt.date(2027, 1, 22))

    @pytest.mark.parametrize("name", ["nobody/nothing", ""])
    def test_an_unknown_refiner(self, name):
        assert models_in_use(name, TODAY) == models_in_use(None, TODAY)

    def test_models_in_use_come_first(self):
        prices = [price_fact(CATALOGUE.model(name), ListedPrice(Price(9, 9), False)) for name in (LUNA, NANO)]
        assert [each.model for each in find(*prices, source=PRICE_LIST)] == [NANO, LUNA]
