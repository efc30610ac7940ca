"""Links: media that a request names by URL. Some who answer follow them; others take media only inline, and then it is
the gateway that has to follow them."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from freehold.core.prompt import Prompt
from freehold.core.request import MediaPart, Message, Need, Part, Request, ResultPart

MEDIA: frozenset[Need] = frozenset({"image", "audio", "file"})
"""What a request needs that may have links."""
_HELD = ("messages", "input", "system")
"""The members of a request in which its words stand."""
_Members = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_raws = msgspec.json.Decoder(list[Raw]).decode


def is_link(part: MediaPart) -> bool:
    return part.url.startswith(("https://", "http://")) and not part.file_id


def media(prompt: Prompt) -> Iterator[MediaPart]:
    """All media of a prompt, those of results too, in their order."""
    for message in prompt.messages:
        for part in message.parts:
            if isinstance(part, MediaPart):
                yield part
            elif isinstance(part, ResultPart):
                yield from part.media


def inlined(prompt: Prompt, inline: Mapping[str, str]) -> Prompt:
    """The prompt with media inline (`data:` URLs, by their URL) that it had by URL."""
    return replace(prompt, messages=tuple(_message(message, inline) for message in prompt.messages))


def _message(message: Message, inline: Mapping[str, str]) -> Message:
    return replace(message, parts=tuple(_part(part, inline) for part in message.parts))


def _part(part: Part, inline: Mapping[str, str]) -> Part:
    if isinstance(part, MediaPart):
        return _medium(part, inline)
    if isinstance(part, ResultPart) and part.media:
        return replace(part, media=tuple(_medium(one, inline) for one in part.media))
    return part


def _medium(part: MediaPart, inline: Mapping[str, str]) -> MediaPart:
    url = inline.get(part.url)
    return part if url is None else replace(part, url=url, media_type=url[5:].partition(";")[0])


def patched(request: Request, inline: Mapping[str, str]) -> Request:
    """The same for a request that goes on in its own dialect: of its members only the media are another."""
    fields = dict(request.fields)
    for name in _HELD:
        raw = fields.get(name, Raw())
        if bytes(memoryview(raw)[:1]) == b"[":
            fields[name] = Raw(_encode([_turn(one, inline) for one in _raws(raw)]))
    return replace(request, fields=fields)


def _turn(raw: Raw, inline: Mapping[str, str]) -> Raw:
    value: Any = _decode(raw)
    return Raw(_encode(value)) if _put(value, inline) else raw


def _put(value: object, inline: Mapping[str, str]) -> bool:
    """Put media in place of their links, wherever they stand; whether there was one."""
    if isinstance(value, list):
        return any([_put(one, inline) for one in cast("list[object]", value)])
    if not isinstance(value, dict):
        return False
    members = cast(_Members, value)
    if members.get("type") == "tool_use":  # what it was called with is no medium, whatever it looks like
        return False
    return any([_put_one(members, inline), *(_put(one, inline) for one in list(members.values()))])


def _put_one(part: _Members, inline: Mapping[str, str]) -> bool:
    """Where this is a part that is, or may be, a link: what the dialects call it."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}} if url in inline:
            part["image_url"] = {**part["image_url"], "url": inline[url]}
        case {"type": "image_url" | "input_image", "image_url": str(url)} if url in inline:
            part["image_url"] = inline[url]
        case {"type": "input_file", "file_url": str(url)} if url in inline:
            del part["file_url"]
            part.setdefault("filename", "file")
            part["file_data"] = inline[url]
        case {"type": "url", "url": str(url)} if url in inline:  # the source of an image or document in Messages
            head, _, data = inline[url].removeprefix("data:").partition(",")
            del part["url"]
            part |= {"type": "base64", "media_type": head.partition(";")[0], "data": data}
        case _:
            return False
    return True
