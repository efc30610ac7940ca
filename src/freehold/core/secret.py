"""A secret: named in settings as `env:NAME` or `file:PATH`, used, and never shown."""

from typing import NoReturn


class Secret:
    """A credential. It cannot be printed, logged, formatted, pickled, copied or serialised; only `reveal()` gives it.

    `source` says where it came from ('env:OPENAI_API_KEY') and may be shown.
    """

    __slots__ = ("_value", "source")

    def __init__(self, value: str, *, source: str) -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.source})"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A secret is never pickled or copied")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.source == other.source and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.source)
