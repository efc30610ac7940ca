"""The events of a stream of Messages, as bytes; each names itself twice, in its `event` field and its data
(docs.claude.com/en/docs/build-with-claude/streaming)."""

from typing import Any

import msgspec

encode = msgspec.json.Encoder().encode

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


def message_start(message: dict[str, Any]) -> bytes:
    return b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n' % encode(message)


def block_start(index: int, block: dict[str, Any]) -> bytes:
    return _START % (index, encode(block))


def block_delta(index: int, kind: bytes, member: bytes, value: str) -> bytes:
    """`kind` is the delta's type, `member` what its value is called."""
    return _DELTA % (index, kind, member, encode(value))


def text_delta(index: int, text: str) -> bytes:
    return _DELTA % (index, b"text_delta", b"text", encode(text))


def block_stop(index: int) -> bytes:
    return _STOP % index


def message_delta(stop: dict[str, Any], usage: dict[str, Any]) -> bytes:
    body = {"type": "message_delta", "delta": stop, "usage": usage}
    return b"event: message_delta\ndata: %b\n\n" % encode(body)


def unfolded(message: dict[str, Any]) -> bytes:
    """A whole message as the stream that it would have been: no block of any kind is lost."""
    out = [message_start({**message, "content": [], "stop_reason": None, "stop_sequence": None})]
    blocks: list[dict[str, Any]] = message.get("content") or []
    for index, block in enumerate(blocks):
        out += _unfolded(index, block)
    stop = {name: message.get(name) for name in ("stop_reason", "stop_sequence")}
    stop |= {name: message[name] for name in ("stop_details", "container") if name in message}
    return b"".join([*out, message_delta(stop, message.get("usage") or {"output_tokens": 0}), MESSAGE_STOP])


def _unfolded(index: int, block: dict[str, Any]) -> list[bytes]:
    begun = dict(block)
    said: list[bytes] = []
    match block.get("type"):
        case "text":
            begun["text"] = ""
            if block.get("citations"):
                begun["citations"] = []
            said = [text_delta(index, block.get("text") or "")]
            for citation in block.get("citations") or ():
                delta = {"type": "citations_delta", "citation": citation}
                body = {"type": "content_block_delta", "index": index, "delta": delta}
                said.append(b"event: content_block_delta\ndata: %b\n\n" % encode(body))
        case "thinking":
            begun |= {"thinking": "", "signature": ""}
            said = [block_delta(index, b"thinking_delta", b"thinking", block.get("thinking") or "")]
            said.append(block_delta(index, b"signature_delta", b"signature", block.get("signature") or ""))
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            begun["input"] = dict[str, Any]()
            given = encode(block.get("input") or {}).decode()
            said = [block_delta(index, b"input_json_delta", b"partial_json", given)]
        case _:
            pass
    return [block_start(index, begun), *said, block_stop(index)]
