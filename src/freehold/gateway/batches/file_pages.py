"""The pages of files, as OpenAI's clients use them (platform.openai.com/docs/api-reference/files). A key sees its own
files alone, an admin's all."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from freehold.core.batch import StoredFile
from freehold.core.errors import InvalidRequest, NotThere, TooLarge
from freehold.core.ids import Ids
from freehold.core.money import NANO
from freehold.core.ports import Batches, Clock, Files
from freehold.core.principal import Key
from freehold.gateway.batches.multipart import Part, parts
from freehold.gateway.pages import Page, who

PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
MONTH = 30 * 86_400
"""Seconds for which a file for a batch is kept where nobody says otherwise, as at OpenAI."""
SHORTEST, LONGEST = 3600, MONTH
LARGEST_PAGE = 10_000
MOST_HELD = 10 * 1024**3
"""Bytes that one key may keep here."""
LONGEST_NAME = 512


def file_pages(files: Files, batches: Batches, *, home: str, clock: Clock, ids: Ids) -> tuple[Page, ...]:
    """The pages."""
    shown = _Shown(files, batches, home, clock, ids)
    return (
        Page(path="/v1/files", permission="key", answer=shown.create, methods=("POST",)),
        Page(path="/v1/files", permission="key", answer=shown.list),
        Page(path="/v1/files/{id}", permission="key", answer=shown.retrieve),
        Page(path="/v1/files/{id}/content", permission="key", answer=shown.content),
        Page(path="/v1/files/{id}", permission="key", answer=shown.delete, methods=("DELETE",)),
    )


def owner_of(key: Key | None) -> str:
    """Whose is what a key makes."""
    return "" if key is None else key.id


def sees(key: Key | None) -> str | None:
    """Whose files and batches a key sees; None: everybody's."""
    return None if key is None or key.admin else key.id


def json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def number(request: Request, name: str, default: int, *, most: int) -> int:
    """A number from 1 in the query."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not 1 <= int(text) <= most:
        raise InvalidRequest(f"{name}: expected a number from 1 to {most}", param=name)
    return int(text)


async def found(files: Files, id_: str, key: Key | None, clock: Clock, param: str) -> StoredFile:
    """A file that the key sees; NotThere for any other."""
    file = await asyncio.to_thread(files.get, id_, now=clock())
    owner = sees(key)
    if file is None or (owner is not None and file.owner != owner):
        raise NotThere(f"No such File object: {id_[:100]}", param=param)
    return file


class _Shown:
    """What the pages answer."""

    def __init__(self, files: Files, batches: Batches, home: str, clock: Clock, ids: Ids) -> None:
        self._files = files
        self._batches = batches
        self._home = home
        self._clock = clock
        self._ids = ids

    async def create(self, request: Request) -> Response:
        form = parts(request.headers.get("content-type", ""), await request.body())
        file = form.get("file")
        if file is None or file.filename is None:
            raise InvalidRequest("file: is missing; send it as a part with a filename", param="file")
        purpose = form["purpose"].text if "purpose" in form else ""
        if purpose not in PURPOSES:
            raise InvalidRequest(f"purpose: expected one of {', '.join(PURPOSES)}", param="purpose")
        if not len(file.content):
            raise InvalidRequest("file: is empty", param="file")
        now, owner = self._clock(), owner_of(who(request))
        life = _life(form)
        if life is None and purpose == "batch":
            life = MONTH
        if await asyncio.to_thread(self._files.held, owner) + len(file.content) > MOST_HELD:
            raise TooLarge(f"This key keeps more than {MOST_HELD} bytes of files with this one; delete some")
        made = StoredFile(
            id=f"file-{self._ids().replace('-', '')}",
            owner=owner,
            at=now,
            purpose=purpose,
            filename=file.filename[:LONGEST_NAME],
            expires_at=None if life is None else now + life * NANO,
        )
        return json(told(await asyncio.to_thread(self._files.put, made, bytes(file.content))))

    async def list(self, request: Request) -> Response:
        limit = number(request, "limit", LARGEST_PAGE, most=LARGEST_PAGE)
        asked = request.query_params
        rows = await asyncio.to_thread(
            self._files.page,
            sees(who(request)),
            now=self._clock(),
            purpose=asked.get("purpose"),
            after=asked.get("after"),
            most=limit + 1,
            newest=asked.get("order", "desc") != "asc",
        )
        return json(listed([told(file) for file in rows[:limit]], more=len(rows) > limit))

    async def retrieve(self, request: Request) -> Response:
        return json(told(await self._found(request)))

    async def content(self, request: Request) -> Response:
        file = await self._found(request)
        if file.home != self._home:
            raise NotThere(f"{file.id} lies in the data folder of another gateway; ask that one", param="file_id")
        return FileResponse(
            self._files.path(file), media_type="application/octet-stream", filename=file.filename or file.id
        )

    async def delete(self, request: Request) -> Response:
        file = await self._found(request)
        user = await asyncio.to_thread(self._batches.using, file.id)
        if user is not None:
            raise InvalidRequest(f"{file.id} is the input of {user}, which is under way; cancel it first")
        await asyncio.to_thread(self._files.remove, file.id)
        return json({"id": file.id, "object": "file", "deleted": True})

    async def _found(self, request: Request) -> StoredFile:
        return await found(self._files, request.path_params["id"], who(request), self._clock, "file_id")


def _life(form: dict[str, Part]) -> int | None:
    """Seconds after which a file is to go, as the form says."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    text = "" if seconds is None else seconds.text
    return life({"anchor": None if anchor is None else anchor.text, "seconds": int(text) if text.isdecimal() else 0})


def life(asked: dict[str, Any], name: str = "expires_after") -> int:
    """The seconds in {anchor, seconds}."""
    if asked.get("anchor") != "created_at":
        raise InvalidRequest(f"{name}.anchor: expected 'created_at'", param=name)
    seconds = asked.get("seconds")
    if not isinstance(seconds, int) or not SHORTEST <= seconds <= LONGEST:
        raise InvalidRequest(f"{name}.seconds: expected {SHORTEST} to {LONGEST}", param=name)
    return seconds


def told(file: StoredFile) -> dict[str, Any]:
    """A file as OpenAI's clients read it."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": file.at // NANO,
        "expires_at": None if file.expires_at is None else file.expires_at // NANO,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def listed(rows: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    """A page of a list."""
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    return {"object": "list", "data": rows, "first_id": first, "last_id": last, "has_more": more}
