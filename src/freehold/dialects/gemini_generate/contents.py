"""The conversation of a prompt, written as system instruction and contents of Gemini.

What functions answered stands in a content of its own, in the order of the calls, right after the content that calls
them: as many answers as calls. System messages go to the top, wherever they stood.
"""

import mimetypes
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from freehold.core.prompt import Prompt
from freehold.core.request import CallPart, MediaPart, Message, ReasoningPart, ResultPart, TextPart
from freehold.core.seal import Seal
from freehold.dialects.forms import TEXT_ARGUMENT
from freehold.dialects.gemini_generate.answer import MADE
from freehold.dialects.gemini_generate.foreign import UNSIGNED, version
from freehold.dialects.gemini_generate.parts import Part, object_of
from freehold.dialects.links import is_link
from freehold.dialects.openai_chat.loose import members

Content = dict[str, Any]
_decode = msgspec.json.Decoder().decode
_RESOLUTIONS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}
_GOOGLES = ("https://", "http://", "gs://")
_USUAL = {"image": "image/jpeg", "audio": "audio/mpeg", "file": "application/pdf"}


class Writer:
    """Writes the conversation of one request; `losses` in the order in which they were met."""

    def __init__(self, model: str) -> None:
        self.losses: dict[str, None] = {}
        self._signs = version(model) >= (3, 0)
        self._follows = not (0, 0) < version(model) < (2, 5)  # those before take files of Google's alone
        self.links: tuple[MediaPart, ...] = ()
        self._called: dict[str, str] = {}  # the function of each call, by its id
        self._turn: list[str] = []  # the ids of the calls in the last content
        self._details: set[str] = set()

    def lose(self, what: str) -> None:
        self.losses[what] = None

    @property
    def resolution(self) -> str:
        """How closely all media are to be looked at: Gemini is told once."""
        told = [detail for detail in self._details if detail in _RESOLUTIONS]
        if not told:
            return ""
        if len(self._details) > 1:
            self.lose("image detail")
            return ""
        return _RESOLUTIONS[told[0]]

    def conversation(self, prompt: Prompt) -> tuple[list[Part], list[Content]]:
        """The parts of the system instruction, and the contents."""
        system: list[Part] = []
        contents: list[Content] = []
        waiting: list[ResultPart] = []
        for message in prompt.messages:
            if message.name:
                self.lose("messages.name")
            if message.role == "system":
                system += self._system(message)
                continue
            results = [part for part in message.parts if isinstance(part, ResultPart)]
            waiting += results
            rest = [part for part in message.parts if not isinstance(part, ResultPart)]
            if not rest:
                continue
            self._flush(waiting, contents)
            self._say("model" if message.role == "assistant" else "user", rest, contents)
        self._flush(waiting, contents)
        if not contents and system:  # instructions alone: somebody has to have asked
            system, contents = [], [{"role": "user", "parts": system}]
        return system, contents

    def _system(self, message: Message) -> list[Part]:
        texts = [part for part in message.parts if isinstance(part, TextPart)]
        if len(texts) < len(message.parts):
            self.lose("media in a system message")
        return [{"text": part.text} for part in texts if part.text]

    def _say(self, role: str, given: Sequence[Any], contents: list[Content]) -> None:
        parts = [written for part in given if (written := self._part(part, role)) is not None]
        if role == "model":
            self._turn = [part.id for part in given if isinstance(part, CallPart)]
            self._sign(parts)
        if not parts:
            return
        last = contents[-1] if contents else None
        if last is not None and last["role"] == role and not any("functionResponse" in p for p in last["parts"]):
            last["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})

    def _sign(self, parts: list[Part]) -> None:
        """The first call of a turn has to be signed; one that another model made is marked as such."""
        call = next((part for part in parts if "functionCall" in part), None)
        if call is not None and self._signs and "thoughtSignature" not in call:
            call["thoughtSignature"] = UNSIGNED

    def _part(self, part: Any, role: str) -> Part | None:
        match part:
            case TextPart():
                if not part.text and part.seal is None:
                    return None
                return self._signed({"text": part.text}, part.seal)
            case MediaPart():
                return self._medium(part)
            case CallPart():
                return self._call(part)
            case ReasoningPart():
                return self._thought(part)
            case _:
                return None

    def _signed(self, part: Part, seal: Seal | None) -> Part:
        """The part with its signature; `translate` has dropped those of others."""
        if seal is not None:
            if seal.form == "gemini":
                part["thoughtSignature"] = seal.data
            else:
                self.lose("reasoning signature of another dialect")
        return part

    def _thought(self, part: ReasoningPart) -> Part | None:
        seal = part.seal
        if seal is None or seal.form != "gemini":
            self.lose("reasoning of earlier turns")
            return None
        return {"text": part.text, "thought": True, "thoughtSignature": seal.data}

    def _call(self, part: CallPart) -> Part:
        self._called[part.id] = part.name
        args = {TEXT_ARGUMENT: part.arguments} if part.custom else object_of(part.arguments)
        return self._signed({"functionCall": {**_id(part.id), "name": part.name, "args": args}}, part.seal)

    def _flush(self, waiting: list[ResultPart], contents: list[Content]) -> None:
        """Write what functions answered, in the order of the calls."""
        if not waiting:
            return
        places = {id_: at for at, id_ in enumerate(self._turn)}
        results = sorted(waiting, key=lambda result: places.get(result.id, len(places)))
        waiting.clear()
        contents.append({"role": "user", "parts": [self._result(result) for result in results]})
        media = [] if self._signs else [m for r in results for one in r.media if (m := self._medium(one)) is not None]
        if media:  # models before Gemini 3 take it beside the answers only
            contents.append({"role": "user", "parts": media})

    def _result(self, part: ResultPart) -> Part:
        name = self._called.get(part.id) or part.name or part.id
        answer: Part = {**_id(part.id), "name": name, "response": response(part)}
        if part.media and self._signs:
            answer["parts"] = [m for one in part.media if (m := self._medium(one)) is not None]
        return {"functionResponse": answer}

    def _medium(self, part: MediaPart) -> Part | None:
        if part.kind == "image":
            self._details.add(part.detail or "auto")
        if part.name:
            self.lose("file name")
        if part.url.startswith("data:"):
            return self._inline(part)
        uri = part.file_id or part.url
        if not uri.startswith(_GOOGLES):
            self.lose(f"{part.kind} by file id")
            return None
        if is_link(part) and not (self._follows and part.url.startswith("https:")):
            self.lose(f"{part.kind} by URL")
            self.links += (part,)
            return None
        kind = part.media_type or mimetypes.guess_type(urlsplit(uri).path)[0] or _USUAL[part.kind]
        return {"fileData": {"mimeType": kind, "fileUri": uri}}

    def _inline(self, part: MediaPart) -> Part | None:
        head, _, data = part.url.removeprefix("data:").partition(",")
        kind = head.partition(";")[0] or part.media_type
        if not head.endswith(";base64") or not kind:
            self.lose(f"{part.kind} of the type {kind[:60] or 'unknown'}")
            return None
        return {"inlineData": {"mimeType": kind, "data": data}}


def _id(id_: str) -> Part:
    """The id of a call, unless we made it: Gemini gave none, and goes by the order."""
    return {} if not id_ or id_.startswith(MADE) else {"id": id_}


def response(part: ResultPart) -> Part:
    """What a function answered, as the object that it has to be."""
    if part.error:
        return {"error": part.text}
    try:
        value: Any = _decode(part.text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    return members(cast("object", value)) if isinstance(value, dict) else {"result": part.text}
