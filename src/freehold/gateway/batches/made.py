"""Batches as they are made and cancelled, whoever asks for it: a page, or a command beside the gateway."""

from freehold.core.batch import Batch, StoredFile
from freehold.core.errors import InvalidRequest
from freehold.core.ids import Ids
from freehold.core.money import NANO
from freehold.gateway.batches.file_pages import MONTH
from freehold.gateway.batches.run import entered

WINDOW = 86_400 * NANO
ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/messages")
CANCELLABLE = ("validating", "in_progress")


def requests(owner: str, filename: str, *, ids: Ids, now: int) -> StoredFile:
    """The file with the input of a batch."""
    id = f"file-{ids().replace('-', '')}"
    return StoredFile(id=id, owner=owner, at=now, purpose="batch", filename=filename, expires_at=now + MONTH * NANO)


def batch(
    owner: str, *, ids: Ids, now: int, home: str, endpoint: str, input_file: str, life: int | None = MONTH * NANO
) -> Batch:
    """A batch that begins now. `life`: nanoseconds for which what it makes is kept."""
    return Batch(
        id=f"batch_{ids().replace('-', '')}",
        owner=owner,
        at=now,
        home=home,
        endpoint=endpoint,
        input_file=input_file,
        expires_at=now + WINDOW,
        life=life,
        times={"validating": now},
    )


def cancelling(current: Batch, now: int) -> Batch:
    """The batch, which sends nothing more; what was sent is answered. InvalidRequest where it is over."""
    if current.status == "cancelling":
        return current
    if current.status not in CANCELLABLE:
        raise InvalidRequest(f"Cannot cancel a batch with status '{current.status}'.", param="batch_id")
    return entered(current, "cancelling", now)
