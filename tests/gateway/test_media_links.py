"""Links in requests: whose content is cleared has them followed; they are found in every form and give way to media."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from freehold.core.errors import NotFetched
from freehold.core.label import Clearance, Label, Sensitivity
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.dialect import Dialect, Written
from freehold.dialects.links import inlined, is_link, media, patched
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.gateway.exchange import Ask, Exchange
from freehold.gateway.media import Wanting, follow
from freehold.gateway.world import Retry, World
from freehold.governance.egress.fetch import Egress, Fetched, Rules, Wanted

URL, INLINE = "https://x.example/a?b=c", "data:image/png;base64,AAAA"


class Nobody(Egress):
    """Fetches nothing."""

    def __init__(self, clearance: Clearance) -> None:
        self.rules = Rules(clearance=clearance)

    async def fetch(self, wanted: Sequence[Wanted]) -> list[Fetched]:
        raise AssertionError


def exchange(label: Label, clearance: Clearance) -> Exchange:
    world = World(
        settings="", resolve=lambda _: None, nearest=lambda _: (), models=(), accounts={}, retry=Retry(),
        egress=Nobody(clearance),
    )  # fmt: skip
    body = chat(image(URL))
    return Exchange("i", 0, Ask(dialect=OPENAI_CHAT, body=body), world, label=label)


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def chat(*parts: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()


@pytest.mark.parametrize(
    ("clearance", "label", "reason"),
    [
        (Clearance(), Label(sensitivity=Sensitivity.RESTRICTED), None),
        (
            Clearance(ceiling=Sensitivity.INTERNAL),
            Label(sensitivity=Sensitivity.CONFIDENTIAL),
            "content is confidential, cleared up to internal",
        ),
        (Clearance(), Label(zones=frozenset({"eu"})), "zone unknown is not among eu"),
    ],
)
def test_links_are_followed_only_where_what_the_request_holds_may_go(
    clearance: Clearance, label: Label, reason: str | None
) -> None:
    asked = exchange(label, clearance)
    request = OPENAI_CHAT.decode_request(asked.ask.body)
    links = tuple(media(OPENAI_CHAT.read(request)))

    with pytest.raises(Wanting if reason is None else NotFetched) as stopped:
        follow(asked, request, Written(b"", ("image by URL",), links))

    if reason is None:
        assert isinstance(stopped.value, Wanting)
        assert stopped.value.wanted == (Wanted("image", URL, "image 1 (x.example)"),)
    else:
        assert str(stopped.value) == f"image 1 (x.example) may not be fetched: {reason}"


OWN = {"type": "url", "url": URL}
"""What a tool was called with: no link of the request, whatever it looks like."""
FORMS: list[Any] = [
    pytest.param(
        OPENAI_CHAT,
        {"messages": [{"role": "user", "content": [image(URL), {"type": "text", "text": URL}]}]},
        {"messages": [{"role": "user", "content": [image(INLINE), {"type": "text", "text": URL}]}]},
        id="chat",
    ),
    pytest.param(
        OPENAI_RESPONSES,
        {
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": URL, "detail": "high"}]},
                {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": URL}]},
                {"role": "user", "content": [{"type": "input_file", "file_url": URL}]},
            ]
        },
        {
            "input": [
                {"role": "user", "content": [{"type": "input_image", "image_url": INLINE, "detail": "high"}]},
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_image", "image_url": INLINE}],
                },
                {"role": "user", "content": [{"type": "input_file", "filename": "file", "file_data": INLINE}]},
            ]
        },
        id="responses",
    ),
    pytest.param(
        ANTHROPIC_MESSAGES,
        {
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": URL}}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": OWN}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [{"type": "image", "source": {"type": "url", "url": URL}}],
                        }
                    ],
                },
            ],
        },
        {
            "max_tokens": 9,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
                    ],
                },
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": OWN}]},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "t",
                            "content": [
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                                }
                            ],
                        }
                    ],
                },
            ],
        },
        id="messages",
    ),
]


@pytest.mark.parametrize(("dialect", "before", "after"), FORMS)
def test_links_give_way_to_media_in_every_form_and_nothing_else_is_touched(
    dialect: Dialect, before: dict[str, Any], after: dict[str, Any]
) -> None:
    request = dialect.decode_request(json.dumps({"model": "m", **before}).encode())

    changed = patched(request, {URL: INLINE})

    assert {name: json.loads(bytes(raw)) for name, raw in changed.fields.items()} == {"model": "m", **after}
    assert replace(changed, fields=request.fields) == request


@pytest.mark.parametrize(("dialect", "before", "after"), FORMS)
def test_what_is_read_of_links_gives_way_to_media_too_results_included(
    dialect: Dialect, before: dict[str, Any], after: dict[str, Any]
) -> None:
    prompt = dialect.read(dialect.decode_request(json.dumps({"model": "m", **before}).encode()))
    links = [part for part in media(prompt) if is_link(part)]

    changed = list(media(inlined(prompt, {URL: INLINE})))

    assert [(part.url, part.media_type) for part in changed] == [(INLINE, "image/png")] * len(links)
    assert len(links) == json.dumps(after).count("AAAA")
