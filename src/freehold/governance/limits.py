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

    def drain(self, now: int) -> None:
        """What drained until now."""
        if now > self.at:
            level = self.level - (now - self.at) * self.limit
            self.level = level if level > 0 else 0
        self.at = now

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


class _Used:
    """What a key used of its limits, as the key was when it was last seen; None: it has no such limit."""

    __slots__ = ("key", "requests", "tokens")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.requests: _Bucket | None = None
        self.tokens: _Bucket | None = None


class Limits:
    """What each key used of its limits lately. For one thread: the one that serves requests."""

    def __init__(self) -> None:
        self._used: dict[str, _Used] = {}

    def take(self, key: Key, tokens: int, now: int) -> None:
        """Count a request that may use `tokens`, or count nothing and raise.

        RateLimited says when it would pass; TooLarge that it never would.
        """
        used = self._until(key, now)
        requests, bucket = used.requests, used.tokens
        if requests is not None and (wait := requests.wait(1)):
            raise _limited(key, requests, 1, "requests", wait)
        if bucket is not None:
            if wait := bucket.wait(tokens):
                raise _limited(key, bucket, tokens, "tokens", wait)
            bucket.level += tokens * MINUTE
        if requests is not None:
            requests.level += MINUTE

    def correct(self, key: Key, taken: int, actual: int, now: int) -> None:
        """Count `actual` tokens in place of the `taken`. More than were taken delays the next requests."""
        if taken == actual:
            return
        bucket = self._until(key, now).tokens
        if bucket is not None:
            level = bucket.level + (actual - taken) * MINUTE
            bucket.level = level if level > 0 else 0

    def head(self, key: Key, now: int, words: Words = "openai") -> str:
        """What is left, as lines of a head, in the words of a provider (platform.openai.com/docs/guides/rate-limits,
        docs.claude.com/en/api/rate-limits); empty where no limit is."""
        used = self._until(key, now)
        write = _openai if words == "openai" else _anthropic
        lines = "" if used.requests is None else write("requests", used.requests, now)
        return lines if used.tokens is None else lines + write("tokens", used.tokens, now)

    def _until(self, key: Key, now: int) -> _Used:
        """What a key used, drained until now."""
        used = self._used.get(key.id)
        if used is None or used.key is not key:
            used = self._renewed(key, now)
        requests, tokens = used.requests, used.tokens
        if requests is not None and requests.at != now:
            requests.drain(now)
        if tokens is not None and tokens.at != now:
            tokens.drain(now)
        return used

    def _renewed(self, key: Key, now: int) -> _Used:
        """The same with the limits that a key has now. A changed limit holds from now on, for what was used too."""
        used = self._used.setdefault(key.id, _Used(key))
        used.key = key
        used.requests = _limit(used.requests, key.requests_per_minute, now)
        used.tokens = _limit(used.tokens, key.tokens_per_minute, now)
        return used


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


def _limit(bucket: _Bucket | None, limit: int | None, now: int) -> _Bucket | None:
    if limit is None:
        return None
    bucket = bucket or _Bucket(limit, now)
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
