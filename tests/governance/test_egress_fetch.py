"""What callers name is fetched whole or not at all: only media, within bounds of bytes, number and time."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import pytest
from egress_world import JPEG, LOOPS, PDF, PNG, WAV, Resolver, Site, answer, fetched, inside, refused, wanted

from freehold.governance.egress.fetch import INSIDE, Egress
from freehold.governance.egress.kinds import Kind

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


# what is fetched


async def test_a_medium_is_fetched_whole_and_comes_inline_with_its_type_by_its_bytes() -> None:
    async with Site(answer(JPEG, kind="image/png")) as site:
        got = await fetched(f"http://127.0.0.1:{site.port}/a/b.png?c=d#e", inside(site))

    assert got.inline == f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
    assert (got.media_type, got.size, got.hosts) == ("image/jpeg", len(JPEG), ("127.0.0.1",))


async def test_the_request_says_only_what_it_must_and_nothing_of_the_caller() -> None:
    async with Site(answer()) as site:
        await fetched(f"http://a.house:{site.port}/i.png?k=v", inside(site), Resolver(a_house=["127.0.0.1"]))

    assert site.asked == [
        f"GET /i.png?k=v HTTP/1.1\r\nhost: a.house:{site.port}\r\naccept: image/*\r\n"
        "accept-encoding: identity\r\nuser-agent: freehold\r\nconnection: close\r\n\r\n"
    ]


@pytest.mark.parametrize(
    ("kind", "body", "stated"),
    [
        ("image", PNG, "image/png"),
        ("image", PNG, "application/octet-stream"),
        ("image", PNG, ""),
        ("image", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("image", b"GIF89a\1\0\1\0", "IMAGE/GIF; charset=x"),
        ("audio", WAV, "audio/x-wav"),
        ("audio", b"\xff\xfb\x90\x64" + bytes(60), "audio/mpeg"),
        ("audio", b"OggS" + bytes(60), "application/ogg"),
        ("file", PDF, "application/pdf"),
        ("file", PNG, "image/png"),
    ],
)
async def test_media_of_the_kind_that_was_named_are_taken(kind: Kind, body: bytes, stated: str) -> None:
    async with Site(answer(body, kind=stated)) as site:
        assert (await fetched(f"http://127.0.0.1:{site.port}/", inside(site), kind=kind)).size == len(body)


@pytest.mark.parametrize(
    ("kind", "body", "stated"),
    [
        ("image", PNG, "text/html"),
        ("image", PNG, "application/json"),
        ("image", PDF, "application/pdf"),
        ("image", PDF, "image/png"),
        ("image", WAV, "image/png"),
        ("audio", PNG, "audio/wav"),
        ("file", b'{"secret":"of the house"}', "application/json"),
        ("file", b'{"secret":"of the house"}', "application/pdf"),
        ("image", b"root:x:0:0", "image/png"),
        ("image", b"<svg onload=x>", "image/svg+xml"),
        ("image", b"<html>", "application/octet-stream"),
        ("image", b"", "image/png"),
        ("audio", "text".encode("utf-16"), "audio/mpeg"),
        ("file", b"PK\x03\x04" + bytes(60), "application/zip"),
    ],
)
async def test_what_is_no_medium_of_the_kind_is_not_taken_whatever_it_is_called(
    kind: Kind, body: bytes, stated: str
) -> None:
    async with Site(answer(body, kind=stated)) as site:
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site), kind=kind))

    assert said.startswith("image 1 cannot be fetched: ")
    assert "house" not in said


async def test_media_of_one_request_come_in_their_order() -> None:
    async with Site(answer(PNG)) as first, Site(answer(PDF, kind="application/pdf")) as second:
        got = await Egress(inside(first, second)).fetch(
            [
                wanted(f"http://127.0.0.1:{first.port}/"),
                wanted(f"http://127.0.0.1:{second.port}/", "file", "file 1"),
            ]
        )

    assert [one.media_type for one in got] == ["image/png", "application/pdf"]


# bounds


async def test_what_says_that_it_is_too_long_is_not_read() -> None:
    left = asyncio.Event()

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 5000\r\n\r\n" + PNG)
        left.set()

    async with Site(endless) as site:
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site, max_bytes=4999)))

    assert "more than 4,999 bytes" in said
    assert left.is_set()


@pytest.mark.parametrize("head", ["transfer-encoding: chunked", "connection: close"])
async def test_what_does_not_say_how_long_it_is_is_read_to_the_bound_and_no_further(head: str) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n{head}\r\n\r\n".encode())
        piece = PNG + bytes(4096 - len(PNG))
        while True:  # until the other side closes
            writer.write(b"1000\r\n" + piece + b"\r\n" if "chunked" in head else piece)
            await writer.drain()

    async with Site(endless) as site:
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site, max_bytes=100_000)))

    assert said == (
        "image 1 cannot be fetched: more than 100,000 bytes would be fetched for the request (egress.max_bytes)"
    )


async def test_the_bound_is_for_all_media_of_a_request_together() -> None:
    async with Site(answer(PNG)) as site:
        each = [wanted(f"http://127.0.0.1:{site.port}/{n}", name=f"image {n}") for n in (1, 2, 3)]

        assert len(await Egress(inside(site, max_bytes=3 * len(PNG))).fetch(each)) == 3
        said = await refused(Egress(inside(site, max_bytes=3 * len(PNG) - 1)).fetch(each))

    assert "would be fetched for the request" in said


async def test_no_more_than_twenty_are_fetched_for_a_request() -> None:
    async with Site(answer()) as site:
        many = [wanted(f"http://127.0.0.1:{site.port}/{n}") for n in range(21)]

        assert len(await Egress(inside(site)).fetch(many[:20])) == 20
        said = await refused(Egress(inside(site)).fetch(many))

    assert said == "21 media would have to be fetched, and at most 20 are for a request"
    assert len(site.asked) == 20


async def test_what_is_sent_compressed_is_not_unpacked() -> None:
    async with Site(answer(PNG, "content-encoding: gzip")) as site:
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site)))

    assert said == "image 1 cannot be fetched: its server sends it compressed, which was not asked for"


def _silent() -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def silent(writer: asyncio.StreamWriter) -> None:
        """Says nothing."""

    return silent


def _dripping() -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def dripping(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:  # until the other side closes: never still, never done
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    return dripping


@pytest.mark.parametrize("slow", [_silent, _dripping])
async def test_a_server_that_never_ends_is_left_when_the_time_is_up(
    slow: Callable[[], Callable[[asyncio.StreamWriter], Awaitable[None]]],
) -> None:
    async with Site(slow()) as site:  # it ends only when its callers have left
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site, seconds=0.02, max_bytes=1 << 40)))

    assert said == "image 1 did not arrive within 0.02 seconds (egress.timeout_seconds)"


async def test_who_breaks_off_leaves_no_connection_behind() -> None:
    here = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        here.set()

    async with Site(silent) as site:
        task = asyncio.create_task(fetched(f"http://127.0.0.1:{site.port}/", inside(site)))
        await here.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while site.open:
            site.left.clear()
            await site.left.wait()


async def test_only_so_many_are_fetched_at_once_over_all_requests() -> None:
    let, both, now, most = asyncio.Event(), asyncio.Event(), 0, 0

    async def waiting(writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 2:
            both.set()
        await let.wait()
        now -= 1
        writer.write(answer())

    async with Site(waiting) as site:
        egress = Egress(inside(site, at_once=2))
        tasks = [asyncio.create_task(egress.fetch([wanted(f"http://127.0.0.1:{site.port}/")])) for _ in range(5)]
        await both.wait()
        let.set()
        await asyncio.gather(*tasks)

    assert most == 2


# answers that are none


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(status=404), "its server answers with the status 404"),
        (answer(status=206), "its server answers with the status 206"),
        (answer(status=500), "its server answers with the status 500"),
        (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "its server answers with the status 302"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", INSIDE),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000, INSIDE),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", INSIDE),
    ],
)
async def test_an_answer_that_is_none_is_refused(said: bytes, reason: str) -> None:
    async with Site(said) as site:
        assert await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site))) == (
            f"image 1 cannot be fetched: {reason}"
        )


async def test_what_breaks_off_in_the_middle_is_refused_and_a_closed_port_sounds_like_it() -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 500\r\n\r\n" + PNG)
        await writer.drain()
        writer.close()

    async with Site(broken) as site:
        cut = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site)))
    closed = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site)))

    assert cut == closed == f"image 1 cannot be fetched: {INSIDE}"
