"""What a request costs by the price list that holds when it begins: the record, the catalog and the bill agree."""

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from gateway_world import House, chat, house, post
from msgspec.structs import replace
from scripted_upstream import KEEP, Upstream, always, completion, providers, sized

from freehold.app.explain import explain
from freehold.catalog.book import catalog, today
from freehold.catalog.offering import offering
from freehold.core.decision import Health
from freehold.core.principal import Budget
from freehold.core.tariff import Row
from freehold.governance.keys import mint

TUESDAY = "2026-11-24"
WINDOWS = """
[simulated.steady]
reply = "Hello there"
[simulated.nightly]
reply = "Hello there"
[deployments.steady]
provider = "steady"
model = "m"
price = { input = "1.00", output = "2.00" }
[deployments.nightly]
provider = "nightly"
model = "m"
[[deployments.nightly.tariff.rows]]
rates = { input = "3.00", output = "6.00" }
[[deployments.nightly.tariff.rows]]
rates = { input = "0.50", output = "1.00" }
hours = [{ spans = [[1200, 1440]], weekdays = [1, 2, 3, 4, 5] }]
[[deployments.nightly.tariff.rows]]
service = "priority"
rates = { input = "5.00", output = "10.00" }
[routes.r]
deployments = ["steady", "nightly"]
objective = "cheapest"
"""


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def clocked(home: House, when: str) -> None:
    """Requests begin at this instant from now on."""
    instant = at(when)
    home.do(lambda: setattr(home.gateway.engine.pipeline, "clock", lambda: instant))


class Unmeasured:
    """Nothing is learned of how well a deployment is, so that plans are kept until a price changes."""

    version = 0

    def view(self, now: int) -> dict[str, Health]:
        return {}


@contextmanager
def catalogued(folder: Path, usage: dict[str, Any], *, model: str, kind: str = "openai") -> Generator[House]:
    """A gateway that takes a model's price from the catalog; its provider answers with this usage."""
    answer = json.loads(completion())
    answer.update(usage=usage.pop("usage"), **usage)
    settings = '[providers.there]\nkind = "{}"\nbase_url = "http://127.0.0.1:{}/v1"\napi_key = "file:key"\n'
    settings += '[deployments.d]\nprovider = "there"\nmodel = "{}"\n'
    (folder / "key").write_text("sk-1")
    with (
        Upstream(always(sized(json.dumps(answer).encode()), KEEP)) as up,
        house(folder, settings.format(kind, up.port, model)) as home,
    ):
        yield home


def rows_of_the_catalog(provider: str, model: str, when: int) -> dict[str, Row]:
    """Its rows by digest, as `freehold models show` reads them."""
    offer = catalog().offer(provider, model, today(when))
    assert offer is not None
    assert offer.tariff.value is not None
    return {row.digest: row for row in offer.tariff.value.rows}


def test_a_recorded_cost_is_computed_again_from_the_row_of_the_catalog_that_the_record_names(tmp_path: Path) -> None:
    usage = {
        "prompt_tokens": 300_001,
        "completion_tokens": 1_234,
        "total_tokens": 301_235,
        "prompt_tokens_details": {"cached_tokens": 100_000},
    }
    with catalogued(tmp_path, {"usage": usage, "service_tier": "default"}, model="gpt-5.4") as home:
        clocked(home, f"{TUESDAY}T12:00:00")
        assert home.chat("d").status == 200
        (record,) = home.records()

    assert record.price is not None
    row = rows_of_the_catalog("openai", "gpt-5.4", record.at)[record.price]
    assert (row.service, row.above, row.rates.cache_read is not None) == ("standard", 272_000, True)
    exact = 200_001 * row.rates.input + 100_000 * (row.rates.cache_read or 0) + 1_234 * row.rates.output
    assert record.cost == round(Fraction(exact, 1_000_000))
    assert (record.cost or 0) > 0


def test_a_request_is_billed_at_the_service_by_which_the_provider_says_it_was_served(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
    found: dict[str, tuple[str, int]] = {}
    for tier in ("default", "flex", "priority"):
        folder = tmp_path / tier
        folder.mkdir()
        with catalogued(folder, {"usage": dict(usage), "service_tier": tier}, model="gpt-5.4") as home:
            assert home.chat("d", service_tier="auto").status == 200
            (record,) = home.records()
        assert record.price is not None
        assert record.cost is not None
        found[tier] = rows_of_the_catalog("openai", "gpt-5.4", record.at)[record.price].service, record.cost

    assert {tier: service for tier, (service, _) in found.items()} == {
        "default": "standard",
        "flex": "flex",
        "priority": "priority",
    }
    assert found["flex"][1] < found["default"][1] < found["priority"][1]


def test_a_price_in_quarantine_is_not_billed_and_is_refused_under_a_budget(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
    key, text = mint("ann", now=time.time_ns(), random=os.urandom, budget=Budget(limit=10**12, period="total"))
    with catalogued(tmp_path, {"usage": usage}, model="deepseek-v4-pro", kind="deepseek") as home:
        assert home.chat("d").status == 200
        home.keys(key)
        refused = home.chat("d", f"authorization: Bearer {text}")
        first, second = home.records()

    assert (first.cost, first.price) == (None, None)
    assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
    assert "price is unknown" in refused.error["message"]
    assert second.outcome == "refused"


def test_the_cheapest_changes_at_the_edge_of_a_window_and_the_decision_says_from_when_its_prices_hold(
    tmp_path: Path,
) -> None:
    """Each instant is asked twice: the second time the plan is found again, and an edge is never crossed with it."""
    instants = {
        f"{TUESDAY}T19:59:59": "steady",
        f"{TUESDAY}T20:00:00": "nightly",
        f"{TUESDAY}T23:59:59": "nightly",
        "2026-11-25T00:00:00": "steady",
        "2026-11-28T21:00:00": "steady",  # a Saturday
        "2026-11-24T21:00:00": "nightly",
    }
    with house(tmp_path, WINDOWS) as home:
        home.do(lambda: setattr(home.gateway.engine.pipeline, "health", Unmeasured()))
        for when in instants:
            clocked(home, when)
            assert [home.chat("r").status for _ in range(2)] == [200, 200]
        records = home.records()
        again = [explain(home.gateway.engine.home, record.id) for record in records]

    assert [r.deployment for r in records] == [d for d in instants.values() for _ in range(2)]
    since = [explained.decision.inputs.at if explained.decision else None for explained in again]
    assert since[2] == since[4] == at(f"{TUESDAY}T20:00:00")
    assert all(explained.same for explained in again)
    cost = {r.at: r.cost for r in records}
    assert cost[at(f"{TUESDAY}T19:59:59")] == 2 * (cost[at(f"{TUESDAY}T20:00:00")] or 0)


def test_a_service_without_a_price_is_refused_under_a_budget_and_one_with_a_price_is_served(tmp_path: Path) -> None:
    key, text = mint("ann", now=time.time_ns(), random=os.urandom, budget=Budget(limit=10**12, period="total"))
    with house(tmp_path, WINDOWS) as home:
        home.keys(key)
        served = home.chat("r", f"authorization: Bearer {text}", service_tier="priority")
        refused = home.chat("steady", f"authorization: Bearer {text}", service_tier="priority")
        plain = home.chat("steady", f"authorization: Bearer {text}", service_tier="default")
        records = home.records()

    assert (served.status, refused.status, plain.status) == (200, 429, 200)
    assert "for the service 'priority' is unknown" in refused.error["message"]
    assert [r.deployment for r in records] == ["nightly", None, "steady"]
    usage = records[0].usage
    assert usage is not None
    assert records[0].cost == usage.input_tokens * 5_000 + usage.output_tokens * 10_000


def test_a_budget_reserves_the_dearest_hour_and_length_that_the_price_list_has(tmp_path: Path) -> None:
    """At night the request costs a sixth, and a budget that holds that but not a day's price is not enough."""
    body = post(chat("nightly", max_tokens=100))
    key, text = mint("ann", now=time.time_ns(), random=os.urandom)
    small, large = Budget(limit=300_000, period="total"), Budget(limit=2_000_000, period="total")
    with house(tmp_path, WINDOWS) as home:
        clocked(home, f"{TUESDAY}T21:00:00")
        bearer = f"authorization: Bearer {text}"
        home.keys(replace(key, budget=small))
        refused = home.chat("nightly", bearer, max_tokens=100)
        home.keys(replace(key, budget=large))
        served = home.chat("nightly", bearer, max_tokens=100)
        record = home.record(served)

    night = (len(body) * 500_000 + 100 * 1_000_000) // 1_000_000 * 1_000
    assert night < small.limit
    assert (refused.status, served.status) == (429, 200)
    assert (record.cost or 0) < small.limit


def test_a_price_of_the_catalog_follows_the_operators_override(tmp_path: Path) -> None:
    found = offering(catalog(), "deepseek", "deepseek-v4-pro", at(f"{TUESDAY}T12:00:00"))
    assert found is not None
    assert found.tariff is None
    decided = '[catalog.overrides."deepseek/deepseek-v4-pro"]\ndate = "2026-11-20"\nreason = "our contract"\n'
    decided += 'price = { input = "2.00", output = "4.00" }\n'
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
    answer = json.loads(completion())
    answer["usage"] = usage
    (tmp_path / "key").write_text("sk-1")
    with Upstream(always(sized(json.dumps(answer).encode()), KEEP)) as up:
        there = f'[providers.deepseek]\nbase_url = "http://127.0.0.1:{up.port}/v1"\napi_key = "file:key"\n'
        with house(tmp_path, decided + there) as home:
            assert home.chat("deepseek/deepseek-v4-pro").status == 200
            (record,) = home.records()

    assert record.cost == 1_000 * 2_000 + 100 * 4_000


def test_under_a_budget_a_bill_that_is_unknown_counts_as_all_that_was_reserved(tmp_path: Path) -> None:
    """Something was sold that has no price here: a search."""
    answer = json.loads(completion())
    answer["usage"]["server_tool_use_details"] = {"web_search_requests": 2}
    key, text = mint("ann", now=time.time_ns(), random=os.urandom, budget=Budget(limit=10**12, period="total"))
    with (
        Upstream(always(sized(json.dumps(answer).encode()), KEEP)) as up,
        house(tmp_path, providers(up.port)) as home,
    ):
        home.keys(key)
        assert home.chat("r", f"authorization: Bearer {text}", max_tokens=1_000).status == 200
        (record,) = home.records()
        home.do(lambda: home.gateway.engine._budgets.flush(time.time_ns()))
        spent = home.gateway.engine.home.budgets.spent(key=key.id, period=0)

    assert record.usage is not None
    assert record.usage.searches == 2
    assert (record.cost, record.price) == (None, None)
    assert spent > 1_000 * 2_000  # as if all of the answer that was allowed had been given
