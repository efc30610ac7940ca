"""Files that callers leave here, and batches: many requests that nobody waits for, in one file."""

from typing import Literal, NamedTuple

from msgspec import Struct

BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
UNDER_WAY: tuple[BatchStatus, ...] = ("validating", "in_progress", "finalizing", "cancelling")
"""Of a batch that is not over."""


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file that a caller left here, or that a batch made. Its bytes lie in the data folder `home`, by `digest`
    (SHA-256, hex). `owner` is the id of its key, '' where the door was open; times are UTC nanoseconds, `expires_at`
    None: it stays; `size` is in bytes."""

    id: str
    owner: str
    at: int
    purpose: str
    filename: str
    size: int = 0
    digest: str = ""
    home: str = ""
    expires_at: int | None = None


class LineError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a line of a batch's input; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Batch(Struct, frozen=True, kw_only=True):
    """Many requests, answered once each until `expires_at`.

    `owner`, `home` and times are as in a file; `times` says when each status began. `total` requests are in the input;
    `next` of them were sent, so many `completed` or `failed`; `unsent` of those never were. `inline`: they came in the
    request that made the batch, as Anthropic's do. `life`: nanoseconds for which what it makes is kept (None: for
    good).
    """

    id: str
    owner: str
    at: int
    home: str
    endpoint: str
    input_file: str
    expires_at: int
    status: BatchStatus = "validating"
    metadata: dict[str, str] | None = None
    output_file: str | None = None
    error_file: str | None = None
    life: int | None = None
    total: int = 0
    next: int = 0
    completed: int = 0
    failed: int = 0
    unsent: int = 0
    errors: tuple[LineError, ...] = ()
    times: dict[str, int] = {}
    inline: bool = False


class Hold(NamedTuple):
    """The right to work on a batch, of one process at a time: each new one has a higher `epoch`, and what the earlier
    ones still try is refused."""

    batch: str
    holder: str
    epoch: int


class LineClaim(NamedTuple):
    """A line (from 0) that is about to be sent as the inference of this id; written before it is. `epoch` is that of
    the hold under which it was."""

    number: int
    inference: str
    epoch: int


class LineResult(NamedTuple):
    """Where the result of a line lies: in the spool of an epoch, `length` bytes from `offset`. `good`: an answer."""

    number: int
    epoch: int
    offset: int
    length: int
    good: bool
