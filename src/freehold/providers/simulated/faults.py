"""Faults: a script, spoiled in one of the ways in which real providers fail."""

from collections.abc import Callable

from msgspec.structs import replace

from freehold.providers.simulated.dice import Dice
from freehold.providers.simulated.script import Script
from freehold.providers.simulated.simulation import Fault
from freehold.providers.simulated.wire import DONE, failure

HTML = b"<!DOCTYPE html>\n<html><body><h1>Simulated gateway page</h1></body></html>\n"
HUGE = 1024 * 1024
"""Bytes of the header of `huge_header`."""

HALF = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\xe2\x82'
"""Two of the three bytes of a euro sign (RFC 3629)."""


def spoiled(script: Script, fault: Fault, dice: Dice) -> Script:
    """`script` with `fault` in it; `dice` decide where. An answer of status `status` is made by the caller."""
    return _SPOIL[fault](script, dice)


def _some(script: Script, dice: Dice) -> tuple[bytes, ...]:
    """A beginning of the answer: at least the first piece, never all; of a single piece the first half."""
    pieces = script.pieces
    if len(pieces) > 1:
        return pieces[: 1 + dice.below(len(pieces) - 1)]
    return (pieces[0][: len(pieces[0]) // 2],) if pieces else ()


def _cut(script: Script, dice: Dice) -> Script:
    return replace(script, pieces=_some(script, dice), ending="cut")


def _cut_chunk(script: Script, dice: Dice) -> Script:
    pieces = _some(script, dice)
    torn = script.pieces[len(pieces)] if script.streamed and len(pieces) < len(script.pieces) else b""
    return replace(script, pieces=(*pieces, torn[: len(torn) // 2]), ending="cut_chunk")


def _half_character(script: Script, dice: Dice) -> Script:
    tail = HALF if script.streamed else b"\xe2\x82"
    return replace(script, pieces=(*_some(script, dice), tail), ending="cut")


def _endless(script: Script, dice: Dice) -> Script:
    """Of a stream the last token again and again, of a body white space."""
    pieces = script.pieces[:-1] if script.streamed else (*script.pieces[:1], b" ")
    return replace(script, pieces=pieces, ending="endless")


def _error_in_stream(script: Script, dice: Dice) -> Script:
    body = failure("Simulated: the model broke off", kind="server_error", code="simulated_error")
    if not script.streamed:
        return replace(script, pieces=(body,))
    return replace(script, pieces=(*_some(script, dice), b"data: " + body + b"\n\n", DONE))


def _malformed(script: Script, dice: Dice) -> Script:
    pieces = _some(script, dice)
    return replace(script, pieces=(*pieces, b'data: {"choices":[{\n\n', DONE) if script.streamed else pieces)


def _typed(script: Script, type: str, *pieces: bytes) -> Script:
    headers = tuple((n, type if n == "content-type" else v) for n, v in script.headers)
    return replace(script, headers=headers, pieces=pieces)


def _huge_header(script: Script, dice: Dice) -> Script:
    return replace(script, headers=(*script.headers, ("x-simulated-padding", "x" * HUGE)))


_SPOIL: dict[Fault, Callable[[Script, Dice], Script]] = {
    "status": lambda script, dice: script,
    "refused": lambda script, dice: Script(status=0, ending="cut"),
    "timeout": lambda script, dice: Script(status=0, ending="stalled"),
    "html": lambda script, dice: _typed(script, "text/html", HTML),
    "cut": _cut,
    "cut_chunk": _cut_chunk,
    "half_character": _half_character,
    "stalled": lambda script, dice: replace(script, pieces=_some(script, dice), ending="stalled"),
    "endless": _endless,
    "error_in_stream": _error_in_stream,
    "malformed": _malformed,
    "wrong_type": lambda script, dice: _typed(script, "text/plain", *script.pieces),
    "empty": lambda script, dice: replace(script, pieces=()),
    "huge_header": _huge_header,
}
