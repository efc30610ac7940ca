"""Keys, scopes, limits and budgets, as a caller meets them over HTTP."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gateway_world import Answered, House, chat, get, house, post
from msgspec.structs import replace
from scripted_upstream import KEEP, Upstream, always, completion, providers, sized
from starlette.applications import Starlette
from starlette.routing import Route

from freehold.app.engine import LOOK_EVERY
from freehold.app.gateway import HOT
from freehold.core.principal import Budget, Key
from freehold.governance.keys import mint, revoke, rotate

SCOPED = """
[simulated.sim]
price = { input = "1.00", output = "2.00" }
[deployments.small]
provider = "sim"
model = "small"
[deployments.large]
provider = "sim"
model = "large"
[routes.support]
deployments = ["small", "large"]
ordered = true
[routes.legal]
deployments = ["large"]
"""


def made(**more: Any) -> tuple[Key, str]:
    return mint("ann", now=time.time_ns(), random=os.urandom, **more)


def bearer(text: str) -> str:
    return f"authorization: Bearer {text}"


def forbidden(answer: Answered, *named: str) -> bool:
    assert (answer.status, answer.error["code"], answer.error["type"]) == (403, "forbidden", "permission_error")
    return all(n in answer.error["message"] for n in named)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, SCOPED) as made_house:
        yield made_house


# who may ask


def test_without_keys_everybody_on_this_machine_is_served(home: House) -> None:
    assert home.started.open_door
    assert home.chat("support").status == 200


@pytest.mark.parametrize(
    "header",
    [
        "origin: https://shop.example",
        "origin: null",
        "origin: http://localhost.shop.example",
        "origin: http://127.0.0.1.nip.io:4000",
        "sec-fetch-site: cross-site",
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/metrics"])
def test_without_keys_no_web_page_of_somebody_else_is_served(home: House, header: str, path: str) -> None:
    answer = home.ask(post(chat("support"), header) if "chat" in path else get(path, header))

    assert forbidden(answer, "only programs on this machine are served")
    assert home.records() == []


@pytest.mark.parametrize("name", ["shop.example", "127.0.0.1.nip.io:4000", "192.0.2.7"])
def test_without_keys_a_foreign_name_that_leads_here_is_not_served(home: House, name: str) -> None:
    answer = home.ask(post(chat("support")).replace(b"host: 127.0.0.1", f"host: {name}".encode()))

    assert forbidden(answer, name)


@pytest.mark.parametrize("name", ["localhost:4000", "LOCALHOST", "127.0.0.1:4000", "[::1]:4000", "[::1]"])
def test_a_page_of_this_machine_is_served(home: House, name: str) -> None:
    request = post(chat("support"), f"origin: http://{name}").replace(b"host: 127.0.0.1", f"host: {name}".encode())

    assert home.ask(request).status == 200


def test_on_any_other_address_a_key_is_always_required(tmp_path: Path) -> None:
    settings = SCOPED + '[server]\nhost = "0.0.0.0"\n'
    with house(tmp_path, settings) as home:
        key, text = made()
        without = home.chat("support")
        home.keys(key)
        within = home.chat("support", bearer(text))

    assert not home.started.open_door
    assert (without.status, without.error["code"], without.error["type"]) == (
        401,
        "invalid_api_key",
        "authentication_error",
    )
    assert "freehold keys create" in without.error["message"]
    assert within.status == 200


@pytest.mark.parametrize("header", ["authorization: Bearer {}", "x-api-key: {}", "api-key: {}", "x-goog-api-key: {}"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models"])
def test_a_key_is_taken_from_the_header_that_each_sdk_uses(home: House, header: str, path: str) -> None:
    key, text = made()
    home.keys(key)
    named = header.format(text)
    answer = home.ask(post(chat("support"), named) if "chat" in path else get(path, named))

    assert answer.status == 200


def test_unknown_and_mangled_keys_are_refused_before_the_body_is_looked_at(home: House) -> None:
    key, text = made()
    home.keys(key)
    wrong = [None, "", "sk-live-1", "fh_x_y", text[:-1], text + "x", text.replace("fh_", "fh__"), "\u00e9", "fh_" * 500]
    for one in wrong:
        headers = [] if one is None else [bearer(one)]
        answer = home.ask(post(b"not json", *headers))
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
        assert one is None or len(one) < 5 or one not in answer.error["message"]
    assert home.records() == []
    assert home.gateway.engine.metrics.unauthenticated == len(wrong)


def test_no_route_is_without_a_declared_permission_and_each_keeps_to_it(tmp_path: Path) -> None:
    admin, admin_text = made(admin=True)
    plain, text = made()
    with house(tmp_path, SCOPED) as home:
        home.keys(admin, plain)
        declared = {p.path: p for p in home.gateway.pages}
        app = home.gateway.door.app
        assert isinstance(app, Starlette)
        served = [r for r in app.routes if isinstance(r, Route)]
        assert len(served) == len(app.routes)
        assert {r.path for r in served} == declared.keys()

        for path, page in declared.items():
            url = path.replace("{name:path}", "support")
            for method in page.methods:
                nobody, somebody, chief = (
                    home.ask(get(url, *headers, method=method)).status
                    for headers in ([], [bearer(text)], [bearer(admin_text)])
                )
                assert (nobody == 401) == (page.permission != "anyone")
                assert (somebody == 403) == (page.permission == "admin")
                assert chief not in {401, 403}
                assert max(nobody, somebody, chief) < 500
        for name in HOT.named():
            path = name.replace("MODEL", "support")
            assert home.ask(post(chat("support"), path=path)).status == 401
            assert home.ask(post(chat("support"), bearer(text), path=path)).status not in {401, 403, 404}


# changes to keys, while the gateway runs


def test_a_key_made_revoked_or_rotated_elsewhere_holds_within_a_second(home: House) -> None:
    assert LOOK_EVERY <= 1
    store = home.gateway.engine.home.keys  # what `freehold keys` in another process writes to
    key, text = made()

    store.put(key)
    home_status = _statuses(home, text)
    _until(lambda: home_status() == (401, 200))  # the open door is closed too

    rotated, fresh = rotate(key, now=time.time_ns(), random=os.urandom)
    store.put(rotated)
    _until(lambda: (_statuses(home, text)()[1], _statuses(home, fresh)()[1]) == (401, 200))

    store.put(revoke(rotated, now=time.time_ns()))
    _until(lambda: _statuses(home, fresh)()[1] == 401)
    assert "was revoked on" in home.chat("support", bearer(fresh)).error["message"]


def test_a_key_rotated_with_grace_is_good_in_both_forms(home: House) -> None:
    key, text = made()
    rotated, fresh = rotate(key, now=time.time_ns(), random=os.urandom, grace=3600 * 10**9)
    home.keys(rotated)

    assert [home.chat("support", bearer(t)).status for t in (text, fresh)] == [200, 200]


def _statuses(home: House, text: str) -> Any:
    return lambda: (home.chat("support").status, home.chat("support", bearer(text)).status)


def _until(true: Any) -> None:
    """Ask again and again; each time is a request, so that the gateway sets the pace."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline


# scopes


def test_a_key_asks_only_for_its_routes_and_models(home: House) -> None:
    routed, routed_text = made(routes=("support",))
    small, small_text = made(models=("sma*",))
    home.keys(routed, small)

    assert home.chat("support", bearer(routed_text)).status == 200
    assert forbidden(home.chat("legal", bearer(routed_text)), "may not ask for 'legal', only for: support")
    assert home.chat("support", bearer(small_text)).headers["x-freehold-deployment"] == "small"
    refused = home.chat("legal", bearer(small_text))
    assert forbidden(refused, "large: the key does not allow this model")
    record = home.record(refused)
    assert (record.outcome, record.error, record.key, record.calls) == ("refused", "forbidden", small.id, ())


# limits


def test_a_limited_key_is_told_where_it_stands_in_the_names_of_openai(home: House) -> None:
    key, text = made(requests_per_minute=2, tokens_per_minute=5_000)
    home.keys(key)
    answers = [home.chat("support", bearer(text), max_tokens=100) for _ in range(3)]

    assert [a.status for a in answers] == [200, 200, 429]
    for number, answer in enumerate(answers):
        said = {n.removeprefix("x-ratelimit-"): v for n, v in answer.headers.items() if n.startswith("x-ratelimit-")}
        assert (said["limit-requests"], said["limit-tokens"]) == ("2", "5000")
        assert said["remaining-requests"] == str(max(1 - number, 0))
        assert 4_600 < int(said["remaining-tokens"]) < 5_000
        assert re.fullmatch(r"(\d+m)?\d+(\.\d+)?m?s", said["reset-requests"])
        assert re.fullmatch(r"(\d+m)?\d+(\.\d+)?m?s", said["reset-tokens"])
    last = answers[-1]
    assert (last.error["code"], last.error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert 0 < int(last.headers["retry-after"]) <= 30
    assert 0 < int(last.headers["retry-after-ms"]) <= 30_000
    assert last.headers["x-should-retry"] == "true"
    assert home.record(last).error == "rate_limit_exceeded"


def test_tokens_that_were_not_used_are_given_back(home: House) -> None:
    key, text = made(tokens_per_minute=5_000)
    home.keys(key)

    assert [home.chat("support", bearer(text), max_tokens=4_000).status for _ in range(4)] == [200] * 4
    never = home.chat("support", bearer(text), max_tokens=6_000)
    assert (never.status, never.error["code"]) == (413, "request_too_large")


# budgets


def test_a_budget_is_never_overspent_however_many_ask_at_once(tmp_path: Path) -> None:
    cost = 10 * 1000 + 5 * 2000  # what the provider's usage comes to
    limit = 600_000
    key, text = made(budget=Budget(limit=limit, period="total"))
    with Upstream(always(sized(completion()), KEEP)) as up, house(tmp_path, providers(up.port)) as home:
        home.keys(key)
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: home.chat("r", bearer(text), max_tokens=5), range(120)))
        records = home.records()
        home.run(_flushed(home))
        spent = home.gateway.engine.home.budgets.spent(key=key.id, period=0)

    answered = [r for r in records if r.outcome == "answered"]
    refused = [a for a in answers if a.status != 200]
    assert {a.status for a in refused} == {429}
    assert {(a.error["code"], a.error["type"]) for a in refused} == {("insufficient_quota", "insufficient_quota")}
    assert {a.headers["x-should-retry"] for a in refused} == {"false"}
    assert len(answered) == len(up.asked) == 120 - len(refused)
    assert sum(r.cost or 0 for r in answered) == spent == cost * len(answered)
    assert spent <= limit
    assert spent > limit - 250_000  # nothing but the room for one more, at its dearest, is left over


async def _flushed(home: House) -> None:
    budgets = home.gateway.engine._budgets
    budgets.flush(time.time_ns())


def test_what_a_leaving_caller_used_is_paid_from_the_budget(tmp_path: Path) -> None:
    key, text = made(budget=Budget(limit=10**9, period="total"))
    slow = SCOPED.replace("[simulated.sim]", "[simulated.sim]\ntokens_per_second = 0.01")
    with house(tmp_path, slow) as home:
        home.keys(key)
        with home.caller() as caller:
            caller.say(post(chat("support", stream=True), bearer(text))).until(b"content")
        home.until(lambda: any(r.outcome == "cancelled" for r in home.records()))
        (record,) = home.records()
        home.run(_flushed(home))
        spent = home.gateway.engine.home.budgets.spent(key=key.id, period=0)

    assert spent == record.cost


def test_a_budget_takes_no_deployment_whose_price_is_unknown(tmp_path: Path) -> None:
    key, text = made(budget=Budget(limit=10**9, period="total"))
    unpriced = "".join(line for line in SCOPED.splitlines(keepends=True) if not line.startswith("price"))
    with house(tmp_path, unpriced) as home:
        home.keys(key)
        answer = home.chat("support", bearer(text))

    assert (answer.status, answer.error["code"]) == (429, "insufficient_quota")
    assert "known price" in answer.error["message"]


def test_a_key_that_has_ended_is_refused_by_its_date(home: House) -> None:
    key, text = made(expires_at=time.time_ns() + 10**15)
    home.keys(replace(key, expires_at=time.time_ns() - 1))

    answer = home.chat("support", bearer(text))
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "expired on" in answer.error["message"]
