"""The gateway as a running process: an engine with a door in front of it."""

import asyncio
import errno
import signal
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from freehold.app.batches import KeptBatches
from freehold.app.counting import count_pages
from freehold.app.engine import SIMULATED, Engine, Told
from freehold.app.responses import KeptResponses
from freehold.core.errors import SettingsWrong
from freehold.core.feedback import Feedback
from freehold.dialects.anthropic_messages.dialect import ANTHROPIC_MESSAGES
from freehold.dialects.bedrock_converse.dialect import BEDROCK_CONVERSE
from freehold.dialects.cohere_chat.dialect import COHERE_CHAT
from freehold.dialects.gemini_generate.dialect import GEMINI_GENERATE
from freehold.dialects.ollama.dialect import OLLAMA_CHAT, OLLAMA_GENERATE
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.dialects.openai_completions.dialect import OPENAI_COMPLETIONS
from freehold.dialects.openai_responses.dialect import OPENAI_RESPONSES
from freehold.dialects.single.embeddings import COHERE_EMBED, GEMINI_EMBED, OLLAMA_EMBED, OPENAI_EMBEDDINGS
from freehold.dialects.single.rerank import MODERATIONS, RERANK
from freehold.flywheel.feedback.pages import pages as feedback_pages
from freehold.gateway.bounds import DoorLimits
from freehold.gateway.gemini_pages import GEMINI_MARKS, gemini_pages
from freehold.gateway.http import Connection, Door
from freehold.gateway.idempotent import Bounds, Idempotent
from freehold.gateway.ollama_pages import ollama_pages
from freehold.gateway.pages import Page, application, pages, who
from freehold.gateway.paths import Paths, Pattern
from freehold.gateway.responses.pages import response_pages
from freehold.ledger.book import Recovery
from freehold.providers.discovery import Found
from freehold.settings.book import Book
from freehold.settings.tables import IdempotencySettings, ServerSettings, Settings

GEMINI_PATHS = (b"/v1beta/models/", b"/v1/models/", b"/v1beta1/projects/", b"/v1/projects/")
"""Of Gemini, and of Vertex, whose clients name a project before the model."""
GEMINI_CALLS = (b":generateContent", b":streamGenerateContent")
HOT = Paths(
    {
        b"/v1/chat/completions": OPENAI_CHAT,
        b"/v1/messages": ANTHROPIC_MESSAGES,
        b"/v1/responses": OPENAI_RESPONSES,
        b"/v1/completions": OPENAI_COMPLETIONS,
        b"/v1/embeddings": OPENAI_EMBEDDINGS,
        b"/v1/rerank": RERANK,
        b"/v2/rerank": RERANK,
        b"/v1/moderations": MODERATIONS,
        b"/v2/chat": COHERE_CHAT,
        b"/v2/embed": COHERE_EMBED,
        b"/api/chat": OLLAMA_CHAT,
        b"/api/generate": OLLAMA_GENERATE,
        b"/api/embed": OLLAMA_EMBED,
        b"/api/embeddings": OLLAMA_EMBED,
    },
    [
        Pattern(b"/v1beta/models/", b":embedContent", GEMINI_EMBED),
        Pattern(b"/v1beta/models/", b":batchEmbedContents", GEMINI_EMBED),
        *(Pattern(b"/model/", end, BEDROCK_CONVERSE) for end in (b"/converse", b"/converse-stream")),
        *(Pattern(begin, end, GEMINI_GENERATE) for begin in GEMINI_PATHS for end in GEMINI_CALLS),
    ],
    below={
        b"/v1beta/": GEMINI_GENERATE,
        b"/v1beta1/": GEMINI_GENERATE,
        b"/v1/projects/": GEMINI_GENERATE,
        b"/api/": OLLAMA_CHAT,
        b"/v2/": COHERE_CHAT,
        b"/model/": BEDROCK_CONVERSE,
    },
    marks=dict.fromkeys(GEMINI_MARKS, GEMINI_GENERATE),
)


class Started(Struct, frozen=True, kw_only=True):
    """What the start-up text tells."""

    url: str
    settings: Settings
    found: tuple[Found, ...]
    book: Book
    recovery: Recovery
    open_door: bool
    simulated: bool


class Gateway:
    """One gateway process. `start`, then `serve` until a signal; `stop` drains and closes in order."""

    def __init__(
        self, path: Path | None, env: Mapping[str, str], *, change: Callable[[Settings], Settings], told: Told
    ) -> None:
        self.engine = Engine(path, env, change=change, told=told)
        self._told = told
        self._stopped = asyncio.Event()
        self._reloading: set[asyncio.Task[None]] = set()

    async def start(self) -> Started:
        opened = await self.engine.open()
        self.responses = KeptResponses(self.engine, opened.settings)
        await self.responses.start()
        self.batches = KeptBatches(self.engine, opened.settings, self.responses.conversations, self._told)
        url = await self._listen(opened.settings)
        self.engine.run()
        await self.batches.start()
        return Started(
            url=url,
            settings=opened.settings,
            found=opened.found,
            book=opened.book,
            recovery=opened.recovery,
            open_door=self.engine.pipeline.keyring.open,
            simulated=SIMULATED in opened.settings.simulated,
        )

    async def serve(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP loads the settings again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup)
        await self._stopped.wait()

    async def stop(self) -> None:
        """Take no new work, let streams finish, settle money and ledger, close."""
        self._server.close()
        await asyncio.gather(self.door.drain(self._drain_seconds), self.batches.close(self._drain_seconds))
        await asyncio.gather(*self._reloading, return_exceptions=True)
        await self.responses.close()
        await self.engine.close()

    def _hangup(self) -> None:
        task = asyncio.get_running_loop().create_task(self.engine.reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)

    async def _listen(self, settings: Settings) -> str:
        """Open the door; the URL at which it is."""
        server = settings.server
        pipeline, metrics = self.engine.pipeline, self.engine.metrics
        self._drain_seconds = server.drain_seconds
        started_at = time.time_ns()
        every = pages(pipeline, metrics, started_at=started_at)
        ollamas = ollama_pages(lambda: pipeline.world, started_at=started_at)
        conversations = self.responses.conversations
        kept = response_pages(conversations)
        self.pages = (
            *count_pages(pipeline, conversations),
            *gemini_pages(lambda: pipeline.world, every),
            *ollamas,
            *kept,
            *self.batches.pages,
            *self._feedback(),
        )
        app = application(pipeline, self.pages, HOT)
        self.door = Door(pipeline, app, HOT, limits=_limits(server), metrics=metrics)
        self.door.infer = Idempotent(pipeline, conversations.infer, _kept(settings.idempotency)).infer
        metrics.gauge("freehold_connections", "Open connections of callers", lambda: len(self.door.connections))
        try:
            tls = _tls(server.tls_cert, server.tls_key)
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self.door),
                server.host,
                server.port,
                ssl=tls,
                ssl_handshake_timeout=server.head_seconds if tls else None,
                backlog=2048,
            )
        except (OSError, ssl.SSLError) as error:
            self.engine.abandon()
            raise cannot_listen(server.host, server.port, error) from error
        port = self._server.sockets[0].getsockname()[1]
        host = "127.0.0.1" if server.host in {"0.0.0.0", "localhost"} else server.host
        if ":" in host:
            host = f"[{host}]"
        return f"{'https' if tls else 'http'}://{host}:{port}"

    def _feedback(self) -> tuple[Page, ...]:
        """Where judgements come in."""
        engine = self.engine
        home = engine.home

        def answer(id: str) -> str | None:
            body = engine.bodies.get(id)
            return None if body is None else body.answer.text

        def record(one: Feedback) -> None:
            engine.act("feedback.given", one.inference or one.episode or "", one.id)

        return feedback_pages(
            home.feedback,
            who=who,
            find=home.inference,
            answer=answer,
            clock=time.time_ns,
            ids=engine.ids,
            record=record,
        )


def cannot_listen(host: str, port: int, error: OSError) -> SettingsWrong:
    """Why there is no listening at an address, and the way out."""
    match error.errno:
        case errno.EADDRINUSE:
            why = "another program listens there. Stop it, or choose another port with --port (0 takes any free one)"
        case errno.EADDRNOTAVAIL:
            why = "this machine has no such address. Choose another with --host (0.0.0.0 takes all)"
        case errno.EACCES:
            why = "ports below 1024 need more rights. Choose another with --port"
        case _:
            why = error.strerror or str(error)
    return SettingsWrong(f"Cannot listen on {host}:{port}: {why}")


def _limits(server: ServerSettings) -> DoorLimits:
    return DoorLimits(
        max_body=server.max_body,
        max_head=server.max_head,
        head=server.head_seconds,
        body=server.body_seconds,
        idle=server.idle_seconds,
        ping=server.ping_seconds,
        connections=server.max_connections,
    )


def _kept(idempotency: IdempotencySettings) -> Bounds:
    life = round(idempotency.keep_hours * 3_600_000_000_000)
    return Bounds(life=life, size=idempotency.max_bytes, entries=idempotency.max_entries)


def _tls(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context
