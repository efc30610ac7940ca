"""Translation between all dialects of conversations: nothing is lost in silence, and the reference says what is so."""

import pytest
import translation
from translation import ACCOUNT, FEATURES, PAGE, arrived, chats, page, parts, sealed

from freehold.core.request import ReasoningPart
from freehold.dialects.dialect import Dialect
from freehold.dialects.seals import LOST
from freehold.dialects.translate import FORMS

KNOWN = ("yes", "as it is", "nearest", "fetched", "lost", "refused", "hint", "-")
PAIRS = [pytest.param(a, b, id=f"{a.name}-{b.name}") for a in chats() for b in chats()]


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(("caller", "provider"), PAIRS)
def test_what_a_request_says_arrives_or_is_named(caller: Dialect, provider: Dialect, feature: str) -> None:
    assert arrived(caller, provider, FEATURES[feature]) in KNOWN


def test_the_reference_says_what_is_so() -> None:
    assert PAGE.read_text() == page(), f"run: python {translation.__file__}"


SEALING = [p for p in PAIRS if p.values[1].name in FORMS and p.values[0].name in FORMS]  # type: ignore[union-attr]


@pytest.mark.parametrize(("caller", "provider"), SEALING)
def test_sealed_reasoning_comes_back_to_the_account_that_issued_it_through_any_caller(
    caller: Dialect, provider: Dialect
) -> None:
    if caller is provider:
        return
    prompt, losses = sealed(caller, provider, ACCOUNT)
    assert [part.seal.data for part in parts(prompt, ReasoningPart) if part.seal is not None]
    assert LOST not in losses


@pytest.mark.parametrize(("caller", "provider"), SEALING)
def test_sealed_reasoning_goes_to_no_other_account(caller: Dialect, provider: Dialect) -> None:
    if caller is provider:
        return
    prompt, losses = sealed(caller, provider, "another account")
    assert not [part for part in parts(prompt, ReasoningPart) if part.seal is not None]
    assert LOST in losses
