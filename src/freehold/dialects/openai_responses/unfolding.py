"""A whole response as the stream that it would have been: no item of any kind is lost."""

from typing import Any

import msgspec

from freehold.dialects.openai_chat.loose import items, members, word
from freehold.dialects.openai_responses.output import REFUSAL, SUMMARY, TEXT, THOUGHT, Kind

_Members = dict[str, Any]
_KINDS: dict[tuple[str, str], Kind] = {(kind.place, kind.type): kind for kind in (TEXT, REFUSAL, THOUGHT, SUMMARY)}
_CALLS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
_ENDS = {"incomplete": "response.incomplete", "failed": "response.failed"}


class _Frames:
    def __init__(self) -> None:
        self.out: list[bytes] = []

    def add(self, kind: str, **more: Any) -> None:
        body = {"type": kind, "sequence_number": len(self.out), **more}
        self.out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(body)))


def unfolded(response: _Members, after: int = -1) -> bytes:
    """The events of a response; only those whose sequence number is beyond `after`."""
    frames = _Frames()
    begun: _Members = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    frames.add("response.created", response=begun)
    frames.add("response.in_progress", response=begun)
    for index, item in enumerate(map(members, items(response.get("output")))):
        _unfolded(frames, index, item)
    frames.add(_ENDS.get(word(response.get("status")), "response.completed"), response=response)
    return b"".join(frames.out[after + 1 :])


def _unfolded(frames: _Frames, index: int, item: _Members) -> None:
    at = {"item_id": item.get("id") or "", "output_index": index}
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    kind = word(item.get("type"))
    if kind in _CALLS:
        text, event = _CALLS[kind]
        said = word(item.get(text))
        frames.add("response.output_item.added", output_index=index, item={**begun, text: ""})
        frames.add(f"{event}.delta", **at, delta=said)
        frames.add(f"{event}.done", **at, **{text: said})
    else:
        grown = [name for name in ("content", "summary") if kind in ("message", "reasoning") and item.get(name)]
        frames.add("response.output_item.added", output_index=index, item=begun | {name: [] for name in grown})
        for name in sorted(grown, reverse=True):
            for number, part in enumerate(map(members, items(item[name]))):
                _part(frames, at, number, part, _KINDS.get((name, word(part.get("type")))))
    frames.add("response.output_item.done", output_index=index, item=item)


def _part(frames: _Frames, at: _Members, number: int, part: _Members, kind: Kind | None) -> None:
    if kind is None:
        return
    at = {**at, kind.index: number}
    said = word(part.get(kind.text))
    probable: _Members = {"logprobs": part.get("logprobs") or []} if kind is TEXT else {}
    frames.add(f"{kind.part}.added", **at, part={**part, **kind.empty()})
    frames.add(f"{kind.event}.delta", **at, delta=said, **probable)
    for place, annotation in enumerate(items(part.get("annotations"))):
        frames.add("response.output_text.annotation.added", **at, annotation_index=place, annotation=annotation)
    frames.add(f"{kind.event}.done", **at, **{kind.text: said}, **probable)
    frames.add(f"{kind.part}.done", **at, part=part)
