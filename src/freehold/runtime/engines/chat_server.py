"""The slow sure path: a chat completions server on `transformers`, one answer at a time: FOLDER PORT NAME.

FOLDER holds a model, or a PEFT adapter (its base is then loaded by name). It speaks enough of OpenAI's dialect for text
in and out, whole or streamed; what it cannot do it refuses by name.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any, Literal
from uuid import uuid4

import msgspec
from msgspec import Meta, Struct

torch: Any = import_module("torch")
transformers: Any = import_module("transformers")

REFUSED = ("tools", "functions", "response_format", "logprobs", "audio", "prediction")
MAX_BODY = 32 << 20
Share = Annotated[float, Meta(ge=0, le=1)]


class Message(Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None

    @property
    def turn(self) -> dict[str, str]:
        parts = self.content if isinstance(self.content, list) else [{"type": "text", "text": self.content or ""}]
        if any(p.get("type") != "text" for p in parts):
            raise ValueError("this engine reads text only")
        role = {"developer": "system", "tool": "user"}.get(self.role, self.role)
        return {"role": role, "content": "\n".join(str(p.get("text", "")) for p in parts)}


class StreamOptions(Struct, frozen=True):
    include_usage: bool = False


class Asked(Struct, frozen=True, kw_only=True):
    """What is read of a request. Both names of the limit are known."""

    messages: list[Message]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int | None = None


class Answering:
    """One answer: pieces of text as they come, then why it ended and how many tokens it took."""

    def __init__(self, prompt_tokens: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.tokens = 0
        self.finish = "stop"
        self.error: Exception | None = None
        self.left = threading.Event()
        self._pieces: SimpleQueue[str | None] = SimpleQueue()

    def say(self, piece: str | None) -> None:
        """None: that was all."""
        self._pieces.put(piece)

    def __iter__(self) -> Iterator[str]:
        while (piece := self._pieces.get()) is not None:
            yield piece
        if self.error is not None:
            raise self.error


class Model:
    """The weights and their tokenizer."""

    def __init__(self, folder: Path) -> None:
        if (folder / "adapter_config.json").exists():
            peft: Any = import_module("peft")  # only adapters need it
            self._model = peft.AutoPeftModelForCausalLM.from_pretrained(folder, dtype="auto")
        else:
            self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._context: int = self._model.config.get_text_config().max_position_embeddings
        self._one = threading.Lock()

    def answer(self, asked: Asked) -> Answering:
        """Begin to answer, in a thread. ValueError says what is wrong with the request."""
        turns = [m.turn for m in asked.messages]
        ids = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
        ).to(self._model.device)
        room = self._context - ids.shape[1]
        if room < 1:
            raise ValueError(f"the conversation has {ids.shape[1]} tokens, the model takes {self._context}")
        answering = Answering(ids.shape[1])
        threading.Thread(target=self._generate, args=(ids, asked, room, answering), daemon=True).start()
        return answering

    def _generate(self, ids: Any, asked: Asked, room: int, answering: Answering) -> None:
        limit = min(room, asked.max_completion_tokens or asked.max_tokens or room)
        stops = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
        said = Said(self._tokenizer, answering, stops)
        temperature = 1.0 if asked.temperature is None else asked.temperature
        how: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if temperature > 0:
            how = {"do_sample": True, "temperature": temperature, "top_p": asked.top_p or 1.0, "top_k": 0}
        try:
            with self._one, torch.inference_mode():
                if asked.seed is not None:
                    torch.manual_seed(asked.seed)
                self._model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=limit,
                    streamer=said,
                    stopping_criteria=[said.over],
                    pad_token_id=self._tokenizer.eos_token_id,
                    **how,
                )
            said.finish(limit, self._ends())
        except Exception as error:
            answering.error = error
        finally:
            answering.say(None)

    def _ends(self) -> set[int]:
        found = self._model.generation_config.eos_token_id
        return {*(found if isinstance(found, list) else [found]), self._tokenizer.eos_token_id}


class Said:
    """A streamer of `transformers`: tokens become text when their characters are whole, and no stop string begins."""

    def __init__(self, tokenizer: Any, answering: Answering, stops: list[str]) -> None:
        self._tokenizer = tokenizer
        self._answering = answering
        self._stops = stops
        self._ids: list[int] = []
        self._told = 0
        self._stopped = False
        self._prompt = True

    def put(self, value: Any) -> None:
        if self._prompt:
            self._prompt = False
            return
        self._ids += value.flatten().tolist()
        self._answering.tokens = len(self._ids)
        self._tell(last=False)

    def end(self) -> None:
        self._tell(last=True)

    def over(self, ids: Any, scores: Any, **_: Any) -> Any:
        """A stopping criterion: a stop string was said, or nobody listens any more."""
        done = self._stopped or self._answering.left.is_set()
        return torch.full((ids.shape[0],), done, dtype=torch.bool, device=ids.device)

    def finish(self, limit: int, ends: set[int]) -> None:
        ended = self._stopped or (bool(self._ids) and self._ids[-1] in ends)
        self._answering.finish = "stop" if ended or len(self._ids) < limit else "length"

    def _tell(self, *, last: bool) -> None:
        if self._stopped:
            return
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        at = min((i for s in self._stops if (i := text.find(s)) >= 0), default=None)
        if at is not None:
            text, self._stopped = text[:at], True
        elif not last:
            held = max((_begun(text, s) for s in self._stops), default=0)
            text = text[: len(text) - held].rstrip("\ufffd")  # bytes of a character whose rest is to come
        if len(text) > self._told:
            self._answering.say(text[self._told :])
            self._told = len(text)


def _begun(text: str, stop: str) -> int:
    """How many letters at the end of the text may be the beginning of the stop string."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Callable[[Asked], Answering]
    name: str

    def do_GET(self) -> None:
        if self.path == "/health":
            self._json(200, {"status": "ok"})
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": self.name, "object": "model", "owned_by": "here"}]})
        else:
            self._error(404, f"There is no {self.path}")

    def do_POST(self) -> None:
        data = self.rfile.read(min(int(self.headers.get("content-length") or 0), MAX_BODY))
        if self.path != "/v1/chat/completions":
            self._error(404, f"There is no {self.path}")
            return
        try:
            fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
            for name in REFUSED:
                if name in fields and bytes(fields[name]) not in {b"null", b"[]", b"false", b'{"type":"text"}'}:
                    raise ValueError(f"this engine cannot do {name}")
            asked = msgspec.json.decode(data, type=Asked)
            if asked.n not in {None, 1}:
                raise ValueError("this engine gives one answer, n must be 1")
            answering = type(self).answer(asked)
        except (ValueError, msgspec.MsgspecError) as error:
            self._error(400, str(error))
            return
        try:
            (self._stream if asked.stream else self._whole)(asked, answering)
        except OSError:  # the caller has left
            self.close_connection = True
        finally:
            answering.left.set()

    def _whole(self, asked: Asked, answering: Answering) -> None:
        try:
            text = "".join(answering)
        except Exception as error:
            self._error(500, f"The model failed: {error!r}")
            return
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": answering.finish, "logprobs": None}
        self._json(200, {**self._head("chat.completion"), "choices": [choice], "usage": _usage(answering)})

    def _stream(self, asked: Asked, answering: Answering) -> None:
        head = self._head("chat.completion.chunk")
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._chunk(head, {"role": "assistant", "content": ""}, None)
        try:
            for piece in answering:
                self._chunk(head, {"content": piece}, None)
        except OSError:
            raise
        except Exception as error:
            self._event({"error": {"message": f"The model failed: {error!r}", "type": "server_error"}})
        else:
            self._chunk(head, {}, answering.finish)
            if asked.stream_options is not None and asked.stream_options.include_usage:
                self._event({**head, "choices": [], "usage": _usage(answering)})
        self._write(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": self.name}

    def _chunk(self, head: dict[str, Any], delta: dict[str, str], finish: str | None) -> None:
        self._event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, body: dict[str, Any]) -> None:
        self._write(b"data: " + msgspec.json.encode(body) + b"\n\n")

    def _write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _error(self, status: int, text: str) -> None:
        self._json(status, {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}})

    def _json(self, status: int, body: dict[str, Any]) -> None:
        data = msgspec.json.encode(body)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _usage(answering: Answering) -> dict[str, int]:
    total = answering.prompt_tokens + answering.tokens
    return {"prompt_tokens": answering.prompt_tokens, "completion_tokens": answering.tokens, "total_tokens": total}


def main() -> None:
    folder, port, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    Handler.answer = Model(folder).answer
    Handler.name = name
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    print(f"serving {name} at 127.0.0.1:{port}", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
