"""A key gets its requests and tokens a minute, never more than the bucket rule says, and is told where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from freehold.core.errors import RateLimited, TooLarge
from freehold.core.principal import Key
from freehold.governance.limits import MINUTE, Limits, duration

NOW = 1_764_547_200_000_000_000
SECOND = 1_000_000_000


def key(requests: int | None = None, tokens: int | None = None) -> Key:
    return Key(id="k1", digest=b"", name="ci", created_at=0, requests_per_minute=requests, tokens_per_minute=tokens)


def takes(limits: Limits, key: Key, tokens: int, now: int) -> bool:
    try:
        limits.take(key, tokens, now)
    except RateLimited:
        return False
    return True


def told_to_wait(limits: Limits, key: Key, tokens: int, now: int) -> int:
    """Nanoseconds of Retry-After; 0 where the request passed."""
    try:
        limits.take(key, tokens, now)
    except RateLimited as refused:
        return round((refused.retry_after or 0) * 1000) * 1_000_000
    return 0


def headers(lines: str) -> dict[str, str]:
    """The lines of a head."""
    return dict(line.split(": ", 1) for line in lines.split("\r\n")[:-1])


def test_a_minutes_worth_may_come_at_once_and_then_what_drains() -> None:
    limits, sixty = Limits(), key(requests=60)

    assert [takes(limits, sixty, 0, NOW) for _ in range(61)] == [True] * 60 + [False]
    assert not takes(limits, sixty, 0, NOW + SECOND - 1)
    assert takes(limits, sixty, 0, NOW + SECOND)
    assert not takes(limits, sixty, 0, NOW + SECOND)


def test_whoever_is_limited_hears_which_limit_and_when_to_come_back() -> None:
    limits, two = Limits(), key(requests=2)
    limits.take(two, 0, NOW)
    limits.take(two, 0, NOW)
    with pytest.raises(RateLimited) as caught:
        limits.take(two, 0, NOW + SECOND)

    assert caught.value.message == (
        "Key 'ci' (k1) has a limit of 2 requests a minute. Try again in 29s, or ask for a higher limit."
    )
    assert caught.value.retry_after == 29.0


def test_tokens_are_limited_by_what_the_request_may_use() -> None:
    limits, thousand = Limits(), key(tokens=1_000)
    limits.take(thousand, 800, NOW)
    with pytest.raises(RateLimited) as caught:
        limits.take(thousand, 300, NOW)

    assert caught.value.message == (
        "Key 'ci' (k1) has a limit of 1000 tokens a minute; 200 are left and this request needs up to 300. "
        "Try again in 6s, or ask for a higher limit."
    )
    assert caught.value.retry_after == 6.0


def test_a_request_that_can_never_pass_is_too_large_so_that_nobody_tries_again() -> None:
    with pytest.raises(TooLarge, match=r"limit of 10 tokens a minute, and this one needs 11: it can never pass"):
        Limits().take(key(tokens=10), 11, NOW)
    with pytest.raises(TooLarge, match="limit of 0 requests a minute"):
        Limits().take(key(requests=0), 1, NOW)


def test_a_refused_request_counts_for_nothing() -> None:
    limits, both = Limits(), key(requests=2, tokens=100)
    limits.take(both, 90, NOW)
    assert not takes(limits, both, 50, NOW)  # refused for its tokens: the request is not counted either

    assert takes(limits, both, 10, NOW)
    assert not takes(limits, both, 0, NOW)


def test_what_was_taken_is_corrected_by_what_was_used() -> None:
    limits, hundred = Limits(), key(tokens=100)
    limits.take(hundred, 100, NOW)
    limits.correct(hundred, 100, 30, NOW)

    assert takes(limits, hundred, 70, NOW)
    limits.correct(hundred, 70, 130, NOW)  # 60 more than there was room for
    assert not takes(limits, hundred, 0, NOW + MINUTE * 60 // 100 - 1)
    assert takes(limits, hundred, 0, NOW + MINUTE * 60 // 100)


def test_keys_do_not_share_a_bucket() -> None:
    limits, one = Limits(), key(requests=1)
    other = replace(one, id="k2")

    assert [takes(limits, k, 0, NOW) for k in (one, other, one, other)] == [True, True, False, False]


def test_a_key_without_limits_is_never_limited_and_has_no_headers() -> None:
    limits, free = Limits(), key()
    for _ in range(1_000):
        limits.take(free, 10**9, NOW)
    limits.correct(free, 5, 10**9, NOW)

    assert limits.head(free, NOW) == ""


def test_a_changed_limit_holds_for_what_was_used_before() -> None:
    limits = Limits()
    for _ in range(10):
        limits.take(key(requests=10), 0, NOW)

    assert takes(limits, key(requests=11), 0, NOW)
    assert not takes(limits, key(requests=11), 0, NOW)


def test_the_headers_are_those_of_openai() -> None:
    limits, both = Limits(), key(requests=60, tokens=60_000)
    limits.take(both, 20, NOW)

    assert headers(limits.head(both, NOW)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "60000",
        "x-ratelimit-remaining-tokens": "59980",
        "x-ratelimit-reset-tokens": "20ms",
    }
    assert headers(limits.head(both, NOW + MINUTE))["x-ratelimit-reset-requests"] == "0s"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (20_000_000, "20ms"),
        (999_000_001, "1s"),
        (1_500_000_000, "1.5s"),
        (59_999_000_000, "59.999s"),
        (60_000_000_000, "1m0s"),
        (360_000_000_000, "6m0s"),
        (86_400_000_000, "1m26.4s"),
    ],
)
def test_durations_read_as_openai_writes_them(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


SPAN = st.integers(0, 3 * MINUTE)
RATE = st.integers(1, 50)


@given(RATE, st.lists(st.tuples(SPAN, st.integers(0, 20)), max_size=40))
def test_no_span_of_time_admits_more_than_a_full_bucket_and_what_drained(
    limit: int, steps: list[tuple[int, int]]
) -> None:
    limits, limited, now, admitted = Limits(), key(tokens=limit), NOW, list[tuple[int, int]]()
    for passed, tokens in steps:
        now += passed
        if tokens <= limit and takes(limits, limited, tokens, now):
            admitted.append((now, tokens))

    for i, (start, _) in enumerate(admitted):
        for j, (end, _) in enumerate(admitted[i:], i):
            assert sum(t for _, t in admitted[i : j + 1]) * MINUTE <= limit * (MINUTE + end - start)


@given(RATE, st.lists(st.tuples(SPAN, st.integers(1, 50)), max_size=20))
def test_coming_back_when_told_to_always_passes_and_earlier_never(limit: int, steps: list[tuple[int, int]]) -> None:
    limits, limited, now = Limits(), key(tokens=limit), NOW
    for passed, asked in steps:
        now, tokens = now + passed, min(asked, limit)
        after = told_to_wait(limits, limited, tokens, now)
        if after:
            assert not takes(limits, limited, tokens, now + after - 1_000_000)
            assert takes(limits, limited, tokens, now + after)
            now += after


@given(RATE, st.lists(st.tuples(st.integers(-10 * MINUTE, 10 * MINUTE), st.integers(0, 50)), max_size=30))
def test_a_clock_that_jumps_never_blocks_a_key_for_longer_than_its_limit_does(
    limit: int, steps: list[tuple[int, int]]
) -> None:
    limits, limited, now = Limits(), key(tokens=limit), NOW
    for passed, tokens in steps:
        now += passed
        takes(limits, limited, min(tokens, limit), now)

    assert takes(limits, limited, limit, now + MINUTE)


@given(RATE, st.lists(st.integers(0, 50), max_size=10), SPAN)
def test_exactly_what_the_headers_say_is_left_can_be_taken(limit: int, taken: list[int], later: int) -> None:
    limits, limited = Limits(), key(tokens=limit)
    for tokens in taken:
        takes(limits, limited, min(tokens, limit), NOW)
    remaining = int(headers(limits.head(limited, NOW + later))["x-ratelimit-remaining-tokens"])

    assert remaining == limit or not takes(limits, limited, remaining + 1, NOW + later)
    assert takes(limits, limited, remaining, NOW + later)
