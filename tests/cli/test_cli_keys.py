"""`freehold keys`: made, listed, rotated and revoked, by people and by scripts."""

import re
import sqlite3
from pathlib import Path

import pytest

from freehold.core.money import NANO


def test_a_key_is_made_with_its_scopes_limits_and_budget_and_its_secret_is_shown_once(freehold, tmp_path: Path) -> None:
    made = freehold(
        *("keys", "create", "ann", "--team", "support", "--route", "help", "--route", "gpt-*", "--model", "a/*"),
        *("--requests-per-minute", "60", "--tokens-per-minute", "9000", "--budget", "$12.50", "--period", "month"),
        *("--expires", "90d", "--json"),
    ).json
    listed = freehold("keys", "list", "--json").json

    secret = made.pop("secret")
    assert secret.startswith(f"fh_{made['id']}_")
    assert listed == [made | {"spent": 0}]
    assert made["expires_at"] == made["created_at"] + 90 * 86_400 * NANO
    rest = {k: v for k, v in made.items() if k not in {"id", "created_at", "expires_at"}}
    assert rest == {
        "name": "ann",
        "team": "support",
        "routes": ["help", "gpt-*"],
        "models": ["a/*"],
        "requests_per_minute": 60,
        "tokens_per_minute": 9000,
        "budget": {"limit": 12_500_000_000, "period": "month"},
        "admin": False,
        "revoked_at": None,
        "previous_until": None,
    }
    with sqlite3.connect(tmp_path / "freehold-data" / "freehold.sqlite") as database:
        dump = "\n".join(database.iterdump())
    database.close()
    assert secret.rpartition("_")[2] not in dump


def test_people_see_what_each_key_may_do(freehold) -> None:
    freehold("keys", "create", "[bold]ann", "--route", "help", "--budget", "5")
    freehold("keys", "create", "root", "--admin")

    header, ann, root = freehold("keys", "list").out.splitlines()

    assert header.split("  ")[0] == "id"
    assert ann.split()[1:] == ["[bold]ann", "help", "anything", "$0.00", "of", "$5.00", "total", "good"]
    assert root.split()[1:] == ["root", "anything", "anything", "admin"]


def test_without_a_key_the_list_says_who_may_ask(freehold) -> None:
    freehold("keys", "create", "gone")
    assert freehold("keys", "list", "--data", "freehold-data").code == 0

    Path("empty").mkdir()
    assert "No keys yet: on loopback everybody may ask" in freehold("keys", "list", "--data", "empty").out


def test_a_rotated_key_keeps_its_id_and_gets_another_secret(freehold) -> None:
    made = freehold("keys", "create", "ann", "--json").json
    turned = freehold("keys", "rotate", "ann", "--grace", "10m", "--json").json

    assert turned["id"] == made["id"]
    assert turned["secret"] != made["secret"]
    assert turned["previous_until"] > made["created_at"] + 600 * NANO


def test_a_revoked_key_is_listed_as_such_and_cannot_be_rotated(freehold) -> None:
    made = freehold("keys", "create", "ann", "--json").json

    assert freehold("keys", "revoke", made["secret"]).out == f"Key 'ann' ({made['id']}) is revoked\n"
    revoked = freehold("keys", "revoke", made["id"], "--json").json
    assert revoked["revoked_at"] >= made["created_at"]
    assert "digest" not in revoked
    assert freehold("keys", "list").out.split()[-1] == "revoked"
    rotated = freehold("keys", "rotate", "ann")
    assert (rotated.code, rotated.err) == (
        1,
        f"freehold: Key 'ann' ({made['id']}) was revoked: create a new one instead\n",
    )


def test_a_name_that_no_key_or_several_keys_have_is_refused_with_the_way_out(freehold) -> None:
    freehold("keys", "create", "twin")
    freehold("keys", "create", "twin")

    nobody, both = freehold("keys", "revoke", "nobody"), freehold("keys", "revoke", "twin")

    assert nobody.err == "freehold: No key has the id or name 'nobody'; `freehold keys list` shows the ids\n"
    assert both.err == "freehold: 2 keys have the id or name 'twin'; `freehold keys list` shows the ids\n"
    assert nobody.code == both.code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "1x"], "'1x' is not an amount of dollars"),
        (["--budget", "-5"], "'-5' is not more than $0"),
        (["--budget", "0"], "'0' is not more than $0"),
        (["--budget", "1e30"], "at most $1,000,000,000.00"),
        (["--budget", "0.0000000001"], "nine decimals at most"),
        (["--expires", "soon"], "'soon' is not a duration such as 90d"),
        (["--expires", "\u00b2d"], "is not a duration"),
        (["--requests-per-minute", "0"], "0 is not in the range x>=1"),
        (["--period", "week", "--budget", "1"], "'week' is not one of 'total', 'day', 'month'"),
    ],
)
def test_a_wrong_option_is_named_and_no_key_is_made(freehold, arguments: list[str], said: str) -> None:
    refused = freehold("keys", "create", "ann", *arguments)

    assert refused.code == 2
    assert said in refused.err
    assert not Path("freehold-data").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ann", "--period", "day"], "--period is the period of a budget: give --budget too"),
        ([" "], "A key needs a name of visible characters"),
        (["a\nb"], "A key needs a name of visible characters"),
    ],
)
def test_a_key_that_means_nothing_is_refused(freehold, arguments: list[str], said: str) -> None:
    refused = freehold("keys", "create", *arguments)

    assert refused.code == 1
    assert said in refused.err
    assert not Path("freehold-data").exists()


def test_the_secret_alone_is_on_standard_output_so_that_a_shell_can_take_it(freehold) -> None:
    made = freehold("keys", "create", "ann")

    assert re.fullmatch(r"fh_[0-9A-Za-z]{11}_[0-9A-Za-z]{43}\n", made.out)
    assert "it is not stored and will not be shown again" in made.err
