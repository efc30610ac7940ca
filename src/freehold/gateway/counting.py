"""Counting the tokens of a prompt: by the provider that it would go to where that counts too, else by our estimate."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from freehold.core.errors import FreeholdError, ProviderError, Rejected
from freehold.core.ports import Headers
from freehold.core.request import Request as Asked
from freehold.dialects.dialect import Dialect
from freehold.dialects.quirks import Quirks
from freehold.gateway.carry import headers as head_for
from freehold.gateway.exchange import Ask, Exchange
from freehold.gateway.pages import who
from freehold.gateway.pipeline import Pipeline
from freehold.gateway.received import credential
from freehold.gateway.world import Account

WAIT = 10.0
"""Seconds after which an estimate is worth more than the provider's count."""
MOST = 64 * 1024
"""Bytes of an answer that is a count."""


class Counter(Struct, frozen=True, kw_only=True):
    """How a dialect counts. `path`: that of a request -> that of its count; `encode`: (request, model, quirks) -> the
    body; `counted`: the count in an answer, None where there is none; `is_error`: whether a body is an error of the
    dialect; `told`: a count as its callers read it; `opened`: the request in what a caller sent.
    """

    dialect: Dialect
    path: Callable[[str], str]
    encode: Callable[[Asked, str, Quirks], bytes]
    counted: Callable[[bytes], int | None]
    is_error: Callable[[bytes], bool]
    told: Callable[[int], object]
    opened: Callable[[bytes], bytes] = bytes


Recall = Callable[[Ask], Awaitable[Ask]]
"""A request with what it continues."""


async def _as_it_is(ask: Ask) -> Ask:
    return ask


def counting(
    pipeline: Pipeline, counter: Counter, recall: Recall = _as_it_is
) -> Callable[[Request], Awaitable[Response]]:
    """The answer of a page that takes a request of the dialect: its count."""

    async def answer(request: Request) -> Response:
        headers = dict(request.headers.raw)
        query: bytes = request.scope["query_string"]
        ask = Ask(
            dialect=counter.dialect,
            body=counter.opened(await request.body()),
            target=request.url.path,
            credential=credential(headers, b"?" + query),
            headers=headers,
        )
        ask = await recall(ask)
        exchange, deployments = pipeline.place(ask, who(request))
        deployment = deployments[0]
        account = exchange.world.account(deployment.provider, counter.dialect.name, deployment.model)
        count = None
        if account.dialect is counter.dialect and "{model}" not in account.path:
            count = await _asked(exchange, account, deployment.model, counter)
        if count is not None:
            return _count(counter.told(count))
        assert exchange.request is not None
        return _count(counter.told(exchange.request.prompt_tokens), estimated=True)

    return answer


def _count(told: object, *, estimated: bool = False) -> Response:
    headers = {"x-freehold-estimated": "true"} if estimated else {}
    return Response(msgspec.json.encode(told), media_type="application/json", headers=headers)


class _Answer:
    """The sink of one count."""

    def __init__(self) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: Headers = {}
        self.body = b""

    def head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers

    def data(self, piece: bytes) -> None:
        if len(self.body) <= MOST:
            self.body += piece

    def done(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def failed(self, error: FreeholdError) -> None:
        if not self.over.done():
            self.over.set_exception(error)


async def _asked(exchange: Exchange, account: Account, model: str, counter: Counter) -> int | None:
    """The provider's count; None where it gives none, Rejected where it says that the request is wrong."""
    assert exchange.request is not None
    body = counter.encode(exchange.request, model, account.quirks)
    path = counter.path(account.dialect.path(account.path, model=model, stream=False))
    answer = _Answer()
    sending = account.upstream.send(path, head_for(exchange, account, path, body), body, answer)
    try:
        await asyncio.wait_for(answer.over, WAIT)
    except (TimeoutError, ProviderError):
        sending.cancel()
        return None
    if answer.status == 200:
        return counter.counted(answer.body)
    error = account.dialect.decode_error(answer.status, answer.headers, answer.body, provider=account.provider)
    if isinstance(error, Rejected) and counter.is_error(answer.body):
        raise error
    return None
