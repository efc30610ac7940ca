"""The bank's application: asks about one message at a time with the OpenAI SDK, as it comes from the package index."""

import msgspec
import openai
from msgspec import Struct
from openai.types.chat import ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema

from demo.inbox import FIELDS, Message, inbox

INTENTS = sorted({message.intent for message in inbox()})
TASK = f"You sort the inbox of a bank. Answer with the intent of the message, one of: {', '.join(INTENTS)}."
MAX_TOKENS = 400
PATIENCE = 3
"""How often the application asks about a message whose answer broke off."""

TICKET: ResponseFormatJSONSchema = {
    "type": "json_schema",
    "json_schema": {
        "name": "ticket",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "intent": {"type": "string", "enum": INTENTS},
                **{name: {"type": ["string", "null"]} for name in FIELDS},
            },
            "required": ["intent", *FIELDS],
            "additionalProperties": False,
        },
    },
}


class Answer(Struct, frozen=True, kw_only=True):
    """What came back for a message. `inference`: the id of its record; `asked`: how often the application asked."""

    message: Message
    inference: str = ""
    intent: str = ""
    fields: dict[str, str] = {}
    asked: int = 1
    problem: str | None = None

    @property
    def right(self) -> bool:
        return self.intent == self.message.intent

    @property
    def fields_right(self) -> int:
        """How many of the fields that are in the message were read as they are."""
        return sum(self.fields.get(name) == value for name, value in self.message.fields.items())


def ask(client: openai.OpenAI, message: Message, *, route: str | None = None, max_tokens: int = MAX_TOKENS) -> Answer:
    """Ask about a message; again where the answer broke off, which Freehold never hides."""
    problem = None
    for asked in range(1, PATIENCE + 1):
        try:
            inference, text = _said(client, message, route or message.route, max_tokens)
        except openai.APIError as error:
            problem = error.message
            continue
        if (route or message.route) != "letters":
            return Answer(message=message, inference=inference, intent=text.strip().strip(".'\"`").lower(), asked=asked)
        try:
            ticket = msgspec.json.decode(text, type=dict[str, str | None])
        except msgspec.DecodeError as error:
            return Answer(message=message, inference=inference, asked=asked, problem=f"not the schema: {error}")
        fields = {name: value for name, value in ticket.items() if value is not None and name != "intent"}
        return Answer(message=message, inference=inference, intent=ticket["intent"] or "", fields=fields, asked=asked)
    return Answer(message=message, asked=PATIENCE, problem=problem)


def _said(client: openai.OpenAI, message: Message, route: str, max_tokens: int) -> tuple[str, str]:
    """The id of the record, and what was said: streamed in the chat, by the schema for letters, else as a whole."""
    create = client.chat.completions.with_raw_response.create
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": TASK},
        {"role": "user", "content": message.text},
    ]
    if route == "chat":
        stream = create(model=route, messages=messages, max_completion_tokens=max_tokens, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream.parse() if chunk.choices)
        return stream.headers["x-freehold-inference"], text
    shape = TICKET if route == "letters" else openai.omit
    whole = create(model=route, messages=messages, max_completion_tokens=max_tokens, response_format=shape)
    return whole.headers["x-freehold-inference"], whole.parse().choices[0].message.content or ""
