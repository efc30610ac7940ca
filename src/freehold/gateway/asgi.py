"""The bridge from the front door to an ordinary ASGI 3.0 application: one request, whole body in, any body out.

HTTP only. The door has already parsed and bounded the request, so that the application needs no server of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from freehold.gateway.received import Received
from freehold.gateway.reply import LAST_CHUNK, status_line

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class _Run:
    """One request in the application."""

    def __init__(self, received: Received, transport: asyncio.WriteTransport, finished: Callable[[bool], None]) -> None:
        self._received = received
        self._transport = transport
        self._finished = finished
        self._given = False
        self._left = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._head: bytes | None = None
        self._chunked = False
        self._done = False

    async def receive(self) -> Message:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._received.body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self._writable.wait()
        if self._left.is_set():
            return
        if message["type"] == "http.response.start":
            lines = [status_line(message["status"])]
            lines += [b"%b: %b\r\n" % (name, value) for name, value in message.get("headers", ())]
            names = {name.lower() for name, _ in message.get("headers", ())}
            self._chunked = b"content-length" not in names and not self._received.http10
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
            if not self.keep:
                lines.append(b"connection: close\r\n")
            self._head = b"".join(lines) + b"\r\n"
            return
        body = b"" if self._received.method == b"HEAD" else message.get("body", b"")
        more = message.get("more_body", False)
        head, self._head = self._head or b"", b""
        if self._chunked and body:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        if self._chunked and not more and self._received.method != b"HEAD":
            body += LAST_CHUNK
        if head or body:
            self._transport.write(head + body)
        if not more:
            self._done = True
            self._finished(self.keep)

    @property
    def keep(self) -> bool:
        return self._received.keep and not self._received.http10

    async def run(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception:
            if not self._done and not self._left.is_set() and self._head is None:
                self._transport.write(status_line(500) + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self._end_early()
            raise
        self._end_early()

    def _end_early(self) -> None:
        if not self._done and not self._left.is_set():
            self._done = True
            self._finished(False)

    # flow control, for the connection

    def cancel(self) -> None:
        self._left.set()
        self._writable.set()

    def pause(self) -> None:
        self._writable.clear()

    def resume(self) -> None:
        self._writable.set()


_tasks: set["asyncio.Task[None]"] = set()


def serve(
    app: App, received: Received, transport: asyncio.Transport, peer: str, finished: Callable[[bool], None]
) -> _Run:
    """Run the application for one request in a task of its own."""
    path, _, query = received.target.partition(b"?")
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.0" if received.http10 else "1.1",
        "method": received.method.decode("latin-1"),
        "scheme": "http",
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": received.headers,
        "client": transport.get_extra_info("peername"),
        "server": transport.get_extra_info("sockname"),
    }
    run = _Run(received, transport, finished)
    task = asyncio.get_running_loop().create_task(run.run(app, scope))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return run
