"""Cohorts: a conversation's place in a rollout, the same on every node and for every turn of it."""

from hashlib import blake2b


def cohort(salt: str, episode: str) -> float:
    """A number in [0, 1), evenly spread over conversations and independent between salts; nine decimals."""
    digest = blake2b(episode.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") % 1_000_000_000 / 1_000_000_000
