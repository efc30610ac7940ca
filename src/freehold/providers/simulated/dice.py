"""Dice: chance that repeats. The same parts give the same throws, on every machine and in every version of Python."""

from hashlib import blake2b


class Dice:
    """A stream of throws, decided by `parts` alone."""

    __slots__ = ("_key", "_thrown")

    def __init__(self, *parts: bytes | int | str) -> None:
        mixed = blake2b(digest_size=32)
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode(errors="surrogatepass")
            mixed.update(b"%d:" % len(data))
            mixed.update(data)
        self._key = mixed.digest()
        self._thrown = 0

    @property
    def name(self) -> str:
        """24 hex digits that stand for these dice."""
        return self._key.hex()[:24]

    def share(self) -> float:
        """The next throw, in [0, 1)."""
        self._thrown += 1
        digest = blake2b(self._key, digest_size=8, salt=self._thrown.to_bytes(8, "big")).digest()
        return (int.from_bytes(digest, "big") >> 11) * 2.0**-53

    def below(self, count: int) -> int:
        """The next throw, as one of 0 to count - 1."""
        return int(self.share() * count)
