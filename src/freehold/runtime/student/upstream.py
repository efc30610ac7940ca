"""A student as an upstream: it answers chat completions in this process, whole or streamed, or it abstains."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from freehold.core.errors import Abstained, FreeholdError, InvalidRequest
from freehold.core.events import Begun, Event, Finish, Text, Used
from freehold.core.ports import Clock, SendHeaders, Sink
from freehold.core.request import Request
from freehold.core.usage import Usage
from freehold.dialects.openai_chat.dialect import OPENAI_CHAT
from freehold.runtime.encoder.port import SentenceEncoder
from freehold.runtime.student.student import Prediction, Student

PATH = "/chat/completions"
JSON = "application/json"
EVENTS = "text/event-stream"
CHARACTERS = 4
"""A token of a student is this many characters: it has no tokens of its own."""


class StudentUpstream:
    """Answers with the student in `folder`. Its model is called as its folder is: NAME-DIGEST.

    `messages` in, the text of the answer out; tools, formats and sampling do not change what a classifier says.
    Where it abstains the sink hears `failed` with Abstained, so that the call goes on to the next deployment.
    """

    def __init__(
        self, folder: Path | str, *, encoder: SentenceEncoder | None = None, clock: Clock = time.time_ns
    ) -> None:
        self.student = Student.load(folder, encoder=encoder)
        self.model = Path(folder).resolve().name
        self._clock = clock

    def send(self, path: str, headers: SendHeaders, body: bytes, sink: Sink) -> "Saying":
        return Saying(sink, lambda: self._parts(path, body))

    async def close(self) -> None:
        """Nothing to close."""

    def _parts(self, path: str, body: bytes) -> "tuple[int, str, list[bytes]]":
        """Status, content type and pieces of the answer; Abstained where it is not sure."""
        try:
            if not path.partition("?")[0].endswith(PATH):
                raise InvalidRequest(f"A student answers {PATH}, not {path}")
            request = OPENAI_CHAT.decode_request(body)
            prediction = self.student.answer(OPENAI_CHAT.messages(request))
        except InvalidRequest as error:
            return error.status, JSON, [OPENAI_CHAT.encode_error(error)]
        if not prediction.sure:
            raise Abstained(self._why(prediction))
        return 200, EVENTS if request.stream else JSON, self._said(request, prediction)

    def _why(self, prediction: Prediction) -> str:
        name = self.student.manifest.name
        if prediction.why == "out_of_scope":
            return f"'{name}' was not made for messages like this one; add another deployment to the route"
        least = self.student.manifest.rules.threshold
        needs = f"of the {least:.2f} that it needs" if least <= 1 else "and has too few examples to be sure of any"
        return f"'{name}' is not sure ({prediction.confidence:.2f} {needs}); add another deployment to the route"

    def _said(self, request: Request, prediction: Prediction) -> list[bytes]:
        """The answer as the dialect writes it, `n` times the same where the caller wants several."""
        encoder = OPENAI_CHAT.encoder(request, id=uuid4().hex, at=self._clock())
        usage = Usage(
            input_tokens=request.prompt_tokens,
            output_tokens=-(-len(prediction.target) // CHARACTERS) * request.choices,
        )
        events = [Event((Begun("", self.model),))]
        for choice in range(request.choices):
            events += [
                Event((Text(prediction.target, choice),), content=True),
                Event((Finish("stop", "stop", choice),), content=True),
            ]
        events.append(Event((Used(usage),)))
        pieces = [encoder.encode(event) for event in events] + [encoder.end()]
        return [piece for piece in pieces if piece]


class Saying:
    """An answer on its way into a sink; implements `core.ports.Sending`. It is thought of when its turn comes."""

    __slots__ = ("_handle", "_left", "_paused", "_sink", "_think")

    def __init__(self, sink: Sink, think: "Callable[[], tuple[int, str, list[bytes]]]") -> None:
        self._sink: Sink | None = sink
        self._think = think
        self._left: deque[bytes] | None = None
        self._paused = False
        self._handle: asyncio.Handle | None = asyncio.get_running_loop().call_soon(self._step)

    def cancel(self) -> None:
        self._sink = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._handle is None and self._sink is not None:
                self._handle = asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        """Say everything that is left, as long as somebody listens."""
        self._handle = None
        while (sink := self._sink) is not None and not self._paused:
            if self._left is None:
                try:
                    status, kind, pieces = self._think()
                except FreeholdError as error:
                    self._sink = None
                    sink.failed(error)
                    return
                self._left = deque(pieces)
                sink.head(status, {"content-type": kind, "server": "freehold-student"})
            elif self._left:
                sink.data(self._left.popleft())
            else:
                self._sink = None
                sink.done()
