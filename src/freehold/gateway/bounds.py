"""What one connection of a caller may take."""

from msgspec import Struct


class DoorLimits(Struct, frozen=True, kw_only=True):
    """Bytes and seconds for one connection. `stall`: how long a caller may leave written bytes unread. `ping`: after
    how long without a word a stream says that it is alive."""

    max_body: int = 32 * 1024 * 1024
    max_head: int = 64 * 1024
    max_headers: int = 128
    head: float = 10.0
    body: float = 60.0
    idle: float = 75.0
    stall: float = 120.0
    ping: float = 15.0
    connections: int = 10_000
