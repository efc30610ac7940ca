"""The inbox of Marlow Quay, an invented bank: messages with what is right about each of them."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

PATH = Path(__file__).with_name("inbox.jsonl")
FIELDS = ("amount", "date", "merchant", "country", "recipient", "reference", "card_last4")

Route = Literal["chat", "letters", "urgent"]


class Message(Struct, frozen=True, kw_only=True):
    """One message. `intent` and `fields` are the truth; a field is a piece of the text."""

    id: str
    intent: str
    language: str
    channel: Literal["chat", "email", "form"]
    urgency: Literal["low", "normal", "high"]
    fields: dict[str, str]
    text: str

    @property
    def route(self) -> Route:
        """Where the bank's application sends it."""
        if self.urgency == "high":
            return "urgent"
        return "chat" if self.channel == "chat" else "letters"

    @property
    def truth(self) -> str | dict[str, str | None]:
        """The right answer: the intent, of a letter also its fields."""
        if self.route != "letters":
            return self.intent
        return {"intent": self.intent, **{name: self.fields.get(name) for name in FIELDS}}


def inbox() -> list[Message]:
    """Every message, in the order in which they came."""
    decoder = msgspec.json.Decoder(Message)
    return [decoder.decode(line) for line in PATH.read_bytes().splitlines()]
