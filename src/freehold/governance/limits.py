"""Limits of a key: requests and tokens a minute, counted in this process.

Each limit is a bucket that holds a minute's worth and drains evenly, as those of the big providers do. So in any span
of `t` minutes a key gets at most its limit times `1 + t`: a full bucket at once, then what drains. Integers throughout:
one request or token is 60 * 10^9 units, and a nanosecond drains as many units as the limit.

Times are UTC nanoseconds. A clock that is set back counts as no time passing, and never blocks a key.
"""

from datetime import UTC, datetime
from typing import Literal

from freehold.core.errors import RateLimited, TooLarge
from freehold.core.money import NANO
from freehold.core.principal import Key

Words = Literal["openai", "anthropic"]
"""Whose headers say what is left of a limit."""

MINUTE = 60 * NANO
MILLI = 1_000_000


class _Bucket:
    __slots__ = ("at", "level", "limit")

    def __init__(self, limit: int, at: int) -> None:
        self.limit = limit
        self.level = 0
        self.at = at

    def wait(self, amount: int) -> int:
        """Nanoseconds until `amount` more fit; 0: now."""
        over = self.level + (amount - self.limit) * MINUTE
        if over <= 0:
            return 0
        return -(-over // self.limit) if self.limit else MINUTE

    def remaining(self) -> int:
        left = self.limit - -(-self.level // MINUTE)
        return left if left > 0 else 0

    def reset(self) -> int:
        """Nanoseconds until it is empty."""
        return -(-self.level // self.limit) if self.limit else 0


class Limits:
    """What each key used of its limits lately. For one thread: the one that serves requests."""

    def __init__(self) -> None:
        self._requests: dict[str, _Bucket] = {}
        self._tokens: dict[str, _Bucket] = {}

    def take(self, key: Key, tokens: int, now: int) -> None:
        """Count a request that may use `tokens`, or count nothing and raise.

        RateLimited says when it would pass; TooLarge that it never would.
        """
        a_minute, tokens_a_minute = key.requests_per_minute, key.tokens_per_minute
        requests = used = None
        if a_minute is not None:
            requests = _bucket(self._requests, key.id, a_minute, now)
            if wait := requests.wait(1):
                raise _limited(key, requests, 1, "requests", wait)
        if tokens_a_minute is not None:
            used = _bucket(self._tokens, key.id, tokens_a_minute, now)
            if wait := used.wait(tokens):
                raise _limited(key, used, tokens, "tokens", wait)
            used.level += tokens * MINUTE
        if requests is not None:
            requests.level += MINUTE

    def correct(self, key: Key, taken: int, actual: int, now: int) -> None:
        """Count `actual` tokens in place of the `taken`. More than were taken delays the next requests."""
        limit = key.tokens_per_minute
        if limit is None or taken == actual:
            return
        bucket = _bucket(self._tokens, key.id, limit, now)
        level = bucket.level + (actual - taken) * MINUTE
        bucket.level = level if level > 0 else 0

    def head(self, key: Key, now: int, words: Words = "openai") -> str:
        """What is left, as lines of a head, in the words of a provider (platform.openai.com/docs/guides/rate-limits,
        docs.claude.com/en/api/rate-limits); empty where no limit is."""
        lines = ""
        write = _openai if words == "openai" else _anthropic
        if key.requests_per_minute is not None:
            lines = write("requests", _bucket(self._requests, key.id, key.requests_per_minute, now), now)
        if key.tokens_per_minute is not None:
            lines += write("tokens", _bucket(self._tokens, key.id, key.tokens_per_minute, now), now)
        return lines


def _openai(what: str, bucket: _Bucket, now: int) -> str:
    return (
        f"x-ratelimit-limit-{what}: {bucket.limit}\r\n"
        f"x-ratelimit-remaining-{what}: {bucket.remaining()}\r\n"
        f"x-ratelimit-reset-{what}: {duration(bucket.reset())}\r\n"
    )


def _anthropic(what: str, bucket: _Bucket, now: int) -> str:
    return (
        f"anthropic-ratelimit-{what}-limit: {bucket.limit}\r\n"
        f"anthropic-ratelimit-{what}-remaining: {bucket.remaining()}\r\n"
        f"anthropic-ratelimit-{what}-reset: {instant(now + bucket.reset())}\r\n"
    )


def instant(at: int) -> str:
    """A time as Anthropic writes it (RFC 3339), rounded up to a second."""
    return datetime.fromtimestamp(-(-at // NANO), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(nanoseconds: int) -> str:
    """A duration as OpenAI writes it, rounded up to a millisecond: '20ms', '1s', '1.5s', '6m0s'."""
    millis = -(-nanoseconds // MILLI)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, millis = divmod(millis, 60_000)
    seconds = f"{millis / 1000:g}s"
    return f"{minutes}m{seconds}" if minutes else seconds


def _bucket(buckets: dict[str, _Bucket], id: str, limit: int, now: int) -> _Bucket:
    """The bucket of a key, drained until now. A changed limit holds from now on, for what was used too."""
    bucket = buckets.get(id)
    if bucket is None:
        bucket = buckets[id] = _Bucket(limit, now)
        return bucket
    if now != bucket.at:
        if now > bucket.at:
            level = bucket.level - (now - bucket.at) * bucket.limit
            bucket.level = level if level > 0 else 0
        bucket.at = now
    bucket.limit = limit
    return bucket


def _limited(key: Key, bucket: _Bucket, amount: int, unit: str, wait: int) -> RateLimited | TooLarge:
    named = f"Key '{key.name}' ({key.id}) has a limit of {bucket.limit} {unit} a minute"
    if amount > bucket.limit:
        less = " Send a shorter prompt, lower max_tokens," if unit == "tokens" else " Use another key"
        return TooLarge(f"{named}, and this one needs {amount}: it can never pass.{less} or ask for a higher limit.")
    needs = f"; {bucket.remaining()} are left and this request needs up to {amount}" if unit == "tokens" else ""
    seconds = -(-wait // MILLI) / 1000
    return RateLimited(
        f"{named}{needs}. Try again in {duration(wait)}, or ask for a higher limit.", retry_after=seconds
    )
