"""What the tests of students share: small made-up support inboxes, and orders in which something is to be found."""

import hashlib
import json
import random

from freehold.core.dataset import Example
from freehold.core.request import Message, TextPart

TOPICS = {
    "card_lost": ["my card is lost", "i lost the card", "card went missing", "somebody stole my card"],
    "top_up": ["top up my account", "add money to the account", "how do i load funds", "charge the balance with cash"],
    "exchange_rate": ["what is the exchange rate", "rate for euros", "convert pounds into dollars", "currency price"],
    "pin_change": ["change my pin", "set a new pin code", "forgot the pin", "reset the secret number"],
}
FRAMES = ["{}", "hello, {}", "{} please", "can you help: {}?", "{} today", "i think {}", "{} !!", "so {}, thanks"]
STRANGE = ["bake a cake", "who won the match", "tell a joke", "weather in rome", "play some jazz", "feed my cat"]
CITIES = ["Rome", "Lima", "Oslo", "New York", "San Juan", "Cape Town", "Bonn", "Kyoto"]
FOODS = ["pizza", "green curry", "soup", "fried rice", "tacos", "apple pie"]


def example(text: str, target: str, **more: object) -> Example:
    id_ = hashlib.sha256(f"{text}\0{target}".encode()).hexdigest()
    messages = (Message("user", (TextPart(text),)),)
    return Example(id=id_, messages=messages, target=target, source="label", **more)  # type: ignore[arg-type]


def inbox(count: int = 240, seed: int = 0, *, strange: int = 0, noise: float = 0.0) -> list[Example]:
    """Messages with their topic; `strange` of them are of none ('other'); a share `noise` has a wrong label."""
    dice = random.Random(seed)
    rows: list[Example] = []
    for i in range(count):
        topic = dice.choice(list(TOPICS))
        text = dice.choice(FRAMES).format(dice.choice(TOPICS[topic])) + f" ref {dice.randrange(10**6)}"
        if dice.random() < noise:
            topic = dice.choice([t for t in TOPICS if t != topic])
        rows.append(example(text, topic, at=i))
    for _ in range(strange):
        text = dice.choice(FRAMES).format(dice.choice(STRANGE)) + f" ref {dice.randrange(10**6)}"
        rows.append(example(text, "other"))
    return rows


def orders(count: int = 300, seed: int = 0) -> list[Example]:
    """Messages with an object to read out of them: what kind, where, what, how many, whether in a hurry."""
    dice = random.Random(seed)
    rows: list[Example] = []
    for _ in range(count):
        city, food, many = dice.choice(CITIES), dice.choice(FOODS), dice.randrange(2, 90)
        if dice.random() < 0.5:
            hurry = dice.random() < 0.5
            text = f"send {many} {food} to {city}" + (" quickly" if hurry else " whenever")
            answer = {"v": 1, "kind": "order", "slots": {"city": city, "food": food, "count": many}, "hurry": hurry}
        else:
            text = dice.choice([f"is there a shop in {city}?", f"any place near {city}"])
            answer = {"v": 1, "kind": "question", "slots": {"city": city}, "hurry": False}
        rows.append(example(text, json.dumps(answer)))
    return rows
