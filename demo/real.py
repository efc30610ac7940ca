"""A real model for a small share of the messages: only where the user names one, since it may cost money.

`make demo REAL=openai/gpt-5-mini` also asks that model about one message of each intent. Without REAL nothing is sent
to anybody; the demo then says what it found, and how to use it.
"""

import asyncio
import json
import os
import time

from demo.gateway import DemoFailed
from demo.inbox import Message
from demo.tally import REAL
from freehold.catalog.book import catalog, today
from freehold.providers.discovery import Found, from_environment, local_servers
from freehold.providers.known import KNOWN

MAX_TOKENS = 2_000
"""Of an answer; models that think need some."""

TABLES = """
[providers.{provider}]

[deployments.{deployment}]
provider = "{provider}"
model = {model}

[routes.{route}]
deployments = [{deployment}]
"""


def found() -> list[Found]:
    """The servers on this machine and the providers whose key is in the environment."""
    every = [*asyncio.run(local_servers()), *from_environment(os.environ)]
    return [one for one in every if one.problem is None]


def tables(model: str) -> str:
    """The settings that add `provider/model`; DemoFailed where that cannot be reached from here."""
    provider, _, name = model.partition("/")
    here = {one.provider for one in found()}
    if not name or provider not in KNOWN:
        raise DemoFailed(f"REAL={model}: say provider/model, such as openai/gpt-5-mini or ollama/llama3.2")
    if provider not in here:
        keys = " or ".join(KNOWN[provider].key_env) or "its server on this machine"
        raise DemoFailed(f"REAL={model}: there is no {keys} here")
    return TABLES.format(provider=provider, model=json.dumps(name), deployment=json.dumps(model), route=REAL)


def share(messages: list[Message]) -> list[Message]:
    """The messages that it gets: the first of each intent."""
    first: dict[str, Message] = {}
    for message in messages:
        first.setdefault(message.intent, message)
    return list(first.values())


def hint() -> str | None:
    """What was found and is not used, and how to use it; None where nothing was found."""
    every = found()
    for one in every:
        model = next(iter(one.models), None) or _cheapest(one.provider)
        if model is not None:
            where = f"a model server at {one.via}" if one.models else f"{one.via}, which is not used as it costs money"
            return f"Found {where}. `make demo REAL={one.provider}/{model}` also sends it 24 of the messages."
    return None


def _cheapest(provider: str) -> str | None:
    book, now = catalog(), time.time_ns()
    offers = (book.offer(provider, id, today(now)) for id in book.file.current.get(provider, ()))
    known = ((o.id, o.tariff.value.price(now)) for o in offers if o is not None and o.tariff.value is not None)
    priced = [(price.input + price.output, id) for id, price in known if price is not None]
    return min((p for p in priced if p[0] > 0), default=(0, None))[1]
