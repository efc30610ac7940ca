"""multipart/form-data (RFC 7578): a body that is here whole, cut into its parts without a copy of what lies between."""

import re
from email.message import Message

from msgspec import Struct

from freehold.core.errors import InvalidRequest, WrongMediaType

MOST_PARTS = 64
LONGEST_HEAD = 16 * 1024
_BOUNDARY = re.compile(r"[ -~]{1,70}")


class Part(Struct, frozen=True, kw_only=True):
    """One field of a form. `filename` is None where it is no file."""

    name: str
    content: memoryview
    filename: str | None = None

    @property
    def text(self) -> str:
        try:
            return str(self.content, "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"{self.name}: is not UTF-8: {error.reason}", param=self.name) from None


def parts(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a form by name. WrongMediaType or InvalidRequest where it is none."""
    kind = _header("content-type", content_type)
    if kind.get_content_type() != "multipart/form-data":
        raise WrongMediaType(f"The content type is {content_type[:100]!r}; send multipart/form-data")
    boundary = kind.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise InvalidRequest("The content type names no boundary; let your HTTP library write it")
    found: dict[str, Part] = {}
    for head, content in _cut(body, b"--" + boundary.encode()):
        part = _part(head, content)
        if part.name in found:
            raise InvalidRequest(f"{part.name}: comes more than once; send one", param=part.name)
        found[part.name] = part
    return found


def _cut(body: bytes, delimiter: bytes) -> list[tuple[bytes, memoryview]]:
    """Head and content of every part. Each delimiter begins a line; the last one is followed by two dashes."""
    cut: list[tuple[bytes, memoryview]] = []
    view = memoryview(body)
    at = 0 if body.startswith(delimiter) else _find(body, b"\r\n" + delimiter, 0) + 2
    while True:
        at += len(delimiter)
        if body.startswith(b"--", at):
            return cut
        start = _find(body, b"\r\n", at) + 2  # blanks may follow a delimiter
        head_end = _find(body, b"\r\n\r\n", start)
        end = _find(body, b"\r\n" + delimiter, head_end + 2)
        if head_end - start > LONGEST_HEAD or len(cut) >= MOST_PARTS:
            raise InvalidRequest(
                f"The form is no form of a client: over {MOST_PARTS} parts, or a head of a part too long"
            )
        cut.append((body[start:head_end], view[head_end + 4 : max(end, head_end + 4)]))
        at = end + 2


def _find(body: bytes, wanted: bytes, start: int) -> int:
    at = body.find(wanted, start)
    if at < 0:
        raise InvalidRequest("The form ends too early: its last boundary is missing")
    return at


def _part(head: bytes, content: memoryview) -> Part:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            said = _header("content-disposition", value.decode("utf-8", "replace"))
            field = said.get_param("name", header="content-disposition")
            if isinstance(field, str) and field:
                return Part(name=field, content=content, filename=said.get_filename())
    raise InvalidRequest("A part of the form has no name; write content-disposition: form-data; name=...")


def _header(name: str, value: str) -> Message:
    """A header with its parameters."""
    message = Message()
    message[name] = value.strip().replace("\r", " ").replace("\n", " ")
    return message
