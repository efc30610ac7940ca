"""What a log holds: acceptances, inferences and acts; and their bytes."""

from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from freehold.core.errors import LedgerDamaged
from freehold.core.inference import Accepted, Inference

Kind = Literal[1, 2, 3, 4]

ACCEPTED: Literal[1] = 1
"""An `Accepted`: a promise, not a leaf of the tree."""
RECORD: Literal[2] = 2
"""An `Inference`: a leaf."""
ACT: Literal[3] = 3
"""An `Act`: a leaf."""
CHECKPOINT: Literal[4] = 4
"""A signed note; only in the file of checkpoints."""

OPENED = "ledger.opened"
"""The verb of the act that ends each start: whatever was accepted before it is closed before it."""


class Act(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something done to the gateway rather than by it: a key revoked, settings loaded, a log recovered.

    `at`: UTC nanoseconds; `verb` as 'noun.participle' ('key.revoked'); `subject`: the id of what it was done to.
    """

    at: int
    actor: str
    verb: str
    subject: str = ""
    detail: str = ""


Entry = Accepted | Inference | Act


class Identity(Struct, frozen=True, gc=False):
    """Only the id of a record, for whoever needs no more."""

    id: str


# Sets and maps are sorted, so that one record has one encoding.
encode = msgspec.json.Encoder(order="deterministic").encode
identify = msgspec.json.Decoder(Identity).decode
accepted = msgspec.json.Decoder(Accepted).decode
_inference = msgspec.json.Decoder(Inference).decode
_act = msgspec.json.Decoder(Act).decode


def decode(kind: Kind, payload: bytes, *, where: str) -> Entry:
    """The entry in a frame; LedgerDamaged naming `where` if the bytes are not one."""
    try:
        match kind:
            case 1:
                return accepted(payload)
            case 2:
                return _inference(payload)
            case 3:
                return _act(payload)
            case 4:
                raise LedgerDamaged(f"{where} holds a checkpoint among the entries")
            case _:
                assert_never(kind)
    except msgspec.MsgspecError as error:
        raise LedgerDamaged(f"{where} does not hold what its kind says: {error}") from error
