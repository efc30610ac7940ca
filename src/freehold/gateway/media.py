"""Media by URL, for providers that take them only inline: followed by the guarded egress before the call, and put in
place of their links. The provider waits for them; nobody else does."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from freehold.core.errors import FreeholdError, Internal, NotFetched
from freehold.core.label import may_flow
from freehold.core.request import MediaPart, Request
from freehold.dialects.dialect import Written
from freehold.dialects.links import is_link, media, patched
from freehold.gateway.exchange import Exchange, Media
from freehold.governance.egress.fetch import Egress, Fetched, Wanted
from freehold.governance.egress.target import Unfit, target

HOW = "egress.fetch_media is off"
"""What a loss says where following links would have helped."""

_running: set[asyncio.Task[None]] = set()
"""Held until they end, also where a caller has left."""


class Wanting(Exception):
    """A request that cannot be written before these media are here."""

    def __init__(self, egress: Egress, wanted: tuple[Wanted, ...]) -> None:
        super().__init__(f"{len(wanted)} media")
        self.egress = egress
        self.wanted = wanted


def followed(exchange: Exchange, request: Request) -> Request:
    """A request in its own dialect for who takes no links: as it is, where they are not followed; else with the media
    in their place. Wanting where they are not here yet, NotFetched where they cannot be had."""
    egress = exchange.world.egress
    if egress is None:
        return request
    links = [part for part in media(exchange.ask.dialect.read(request)) if is_link(part) and part.kind != "audio"]
    if not links:
        return request
    _ask(exchange, egress, request, links)
    return patched(request, _had(exchange).inline)


def follow(exchange: Exchange, request: Request, written: Written) -> Written:
    """What is told of links that a translated request could not say: that the setting would help, where they are not
    followed. Else Wanting or NotFetched, as above."""
    egress = exchange.world.egress
    if egress is None:
        lost = {f"{part.kind} by URL" for part in written.links}
        losses = tuple(f"{loss} ({HOW})" if loss in lost else loss for loss in written.losses)
        return replace(written, losses=losses)
    _ask(exchange, egress, request, written.links)
    return written


def _ask(exchange: Exchange, egress: Egress, request: Request, links: Sequence[MediaPart]) -> None:
    had = _had(exchange)
    for part in links:
        if part.url in had.failed:
            raise had.failed[part.url]
    missing = {part.url: part for part in links if part.url not in had.inline}
    if not missing:
        return
    names = _names(media(exchange.ask.dialect.read(request)))
    if (reason := may_flow(exchange.label, egress.rules.clearance)) is not None:
        raise NotFetched(f"{names[links[0].url]} may not be fetched: {reason}")
    raise Wanting(egress, tuple(Wanted(part.kind, url, names[url]) for url, part in missing.items()))


def _had(exchange: Exchange) -> Media:
    if exchange.media is None:
        exchange.media = Media()
    return exchange.media


def _names(parts: Iterable[MediaPart]) -> dict[str, str]:
    """What the caller knows each link by, by its URL: 'image 2 (example.org)', counted from 1."""
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for part in parts:
        number = counts[part.kind] = counts.get(part.kind, 0) + 1
        if is_link(part):
            names.setdefault(part.url, f"{part.kind} {number}{_host(part.url)}")
    return names


def _host(url: str) -> str:
    try:
        return f" ({target(url).host})"
    except Unfit:
        return ""


class Fetching:
    """Media on their way: what is sent until the request itself can be. `then` is called when all are there."""

    def __init__(
        self,
        exchange: Exchange,
        wanting: Wanting,
        then: Callable[[], None],
        failed: Callable[[FreeholdError], None],
    ) -> None:
        self._wanting = wanting
        self._had = _had(exchange)
        self._then = then
        self._failed = failed
        self._task = asyncio.get_running_loop().create_task(self._run())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    def cancel(self) -> None:
        self._task.cancel()

    def pause(self) -> None:
        """Nothing comes from here that a caller could be too slow for."""

    def resume(self) -> None:
        """As above."""

    async def _run(self) -> None:
        wanted, had = self._wanting.wanted, self._had
        try:
            fetched = await self._wanting.egress.fetch(wanted)
        except NotFetched as error:
            had.failed |= {one.url: error for one in wanted if error.url in ("", one.url)}
            self._failed(error)
        except Exception as error:  # the request edge: what is accepted must end in a record
            self._failed(Internal(f"Media could not be fetched: {error!r}"))
        else:
            had.inline |= {one.url: one.inline for one in fetched}
            had.notes += tuple(_note(one, its) for one, its in zip(wanted, fetched, strict=True))
            self._then()


def _note(wanted: Wanted, fetched: Fetched) -> str:
    """For answer and record: whence and how much, never the URL, whose query may be a secret."""
    name = wanted.name.partition(" (")[0]
    return f"fetched: {name} from {' > '.join(fetched.hosts)} ({fetched.size} bytes)"
