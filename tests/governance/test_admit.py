"""A request is admitted by each step in turn, or refused by the first that says no."""

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from freehold.core.errors import Forbidden, RateLimited
from freehold.core.label import PUBLIC, Label, Sensitivity
from freehold.core.principal import Key
from freehold.core.request import Request
from freehold.governance.admit import Asked, admit, expected, rates, scopes
from freehold.governance.keys import Keyring
from freehold.governance.limits import Limits

HELLO = Request(
    dialect="openai-chat",
    model="support",
    stream=False,
    needs=frozenset(),
    prompt_tokens=10,
    max_output_tokens=20,
    choices=2,
    wants_usage=False,
    subject=None,
    fields={},
)
KEY = Key(id="k1", digest=b"", name="ci", created_at=0, routes=("sup*", "chat"), tokens_per_minute=100)


@dataclass
class Door:
    """The steps in their order, around one key."""

    key: Key = KEY
    limits: Limits = field(default_factory=Limits)

    def ask(self, request: Request = HELLO, *, key: Key | None = KEY) -> Asked:
        steps = (scopes(Keyring([self.key], required=True)), rates(self.limits))
        return admit(steps, Asked(request=request, key=key, at=5))


def test_what_is_allowed_passes_unchanged() -> None:
    assert Door().ask() == Asked(request=HELLO, key=KEY, at=5, label=PUBLIC)


def test_nobody_passes_on_an_open_gateway() -> None:
    assert Door().ask(key=None).key is None


def test_a_name_outside_the_keys_routes_is_forbidden_and_counts_for_nothing() -> None:
    door = Door()
    with pytest.raises(Forbidden) as caught:
        door.ask(replace(HELLO, model="finance"))

    assert caught.value.message == (
        "Key 'ci' (k1) may not ask for 'finance', only for: sup*, chat. Ask for one of these, or use another key."
    )
    assert caught.value.param == "model"
    assert "x-ratelimit-remaining-tokens: 100\r\n" in door.limits.head(KEY, 5)


def test_a_request_counts_for_its_prompt_and_all_it_may_generate() -> None:
    door = Door()
    assert expected(HELLO) == 50
    door.ask()
    door.ask()

    with pytest.raises(RateLimited, match="limit of 100 tokens a minute"):
        door.ask()


def test_further_steps_may_change_what_is_asked() -> None:
    secret = Label(sensitivity=Sensitivity.RESTRICTED)

    def detect(asked: Asked) -> Asked:
        return replace(asked, label=asked.label.join(secret))

    assert admit((detect,), Asked(request=HELLO, key=None, at=5)).label == secret
