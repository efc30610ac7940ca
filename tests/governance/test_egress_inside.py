"""What callers name is fetched from where it may be: once looked up, at that address, each hop anew. Nothing inside is
told of."""

import asyncio
import ssl
from pathlib import Path

import pytest
from egress_world import LOOPS, PNG, Outside, Resolver, Site, answer, certified, fetched, inside, moved, refused, wanted

from freehold.governance.egress.fetch import INSIDE, Egress, Rules

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


# where it may be


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["::ffff:127.0.0.1"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["93.184.216.34", "fe80::1%2"],
        [],
    ],
)
async def test_a_name_that_leads_inside_by_any_of_its_addresses_is_not_asked(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Site(answer()) as site:
        outside = Outside(monkeypatch, at_93_184_216_34=site.port)

        said = await refused(fetched("https://pub.example/i.png", Rules(), Resolver(pub_example=addresses)))

    assert said == f"image 1 cannot be fetched: {INSIDE}"
    assert outside.tried == []
    assert site.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://168.63.129.16/",
        "https://10.1.2.3/",
        "https://localhost/",
        "https://metadata/",
        "https://8.8.8.8:22/",
        "https://8.8.8.8:8443/",
    ],
)
async def test_an_address_inside_a_bare_name_or_another_port_is_not_asked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside, resolver = Outside(monkeypatch), Resolver(localhost=["127.0.0.1"], metadata=["8.8.8.8"])

    said = await refused(fetched(url, Rules(), resolver))

    assert said == f"image 1 cannot be fetched: {INSIDE}"
    assert (outside.tried, resolver.asked) == ([], [])


async def test_a_public_name_is_looked_up_once_and_asked_at_just_that_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(pub_example=[["93.184.216.34"], ["127.0.0.1"]])  # says something else when asked again
    async with Site(answer()) as site:
        outside = Outside(monkeypatch, at_93_184_216_34=site.port)

        got = await fetched("http://pub.example/i.png", Rules(http=True), resolver)

    assert got.hosts == ("pub.example",)
    assert resolver.asked == ["pub.example"]
    assert outside.tried == [("93.184.216.34", 80, None)]
    assert site.asked[0].split("\r\n")[:2] == ["GET /i.png HTTP/1.1", "host: pub.example"]


async def test_the_next_address_of_a_name_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Site(answer()) as site:
        outside = Outside(monkeypatch, at_8_8_8_8=site.port)
        names = Resolver(pub_example=["2606:4700::1", "8.8.4.4", "8.8.8.8"])

        await fetched("http://pub.example/", Rules(http=True), names)

    assert [host for host, _, _ in outside.tried] == ["2606:4700::1", "8.8.4.4", "8.8.8.8"]


async def test_a_public_address_that_is_this_machines_own_is_left_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    connect = loop.create_connection
    async with Site(answer()) as site:

        async def connected(factory: object, host: str, port: int, **more: object) -> object:
            return await connect(factory, "127.0.0.1", site.port, **more)  # type: ignore[call-overload]

        monkeypatch.setattr(loop, "create_connection", connected)
        said = await refused(fetched("http://8.8.8.8/", Rules(http=True)))

    assert said == f"image 1 cannot be fetched: {INSIDE}"
    assert site.asked == []


async def test_only_https_is_followed_unless_the_operator_says_otherwise() -> None:
    async with Site(answer()) as site:
        rules = Rules(private=(f"127.0.0.1:{site.port}",))

        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", rules))

    assert said == "image 1 cannot be fetched: only https URLs are fetched (egress.http)"
    assert site.asked == []


async def test_the_operators_lists_decide_and_refusals_of_all_kinds_sound_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Resolver(
        pub_example=["8.8.8.8"],
        an_pub_example=["8.8.8.8"],
        other_example=["8.8.8.8"],
        in_house=["127.0.0.1"],
        gone_example=[],
    )
    async with Site(answer()) as site:
        Outside(monkeypatch, at_8_8_8_8=site.port)
        rules = Rules(http=True, hosts=("pub.example", "*.pub.example", "gone.example"), deny=("no.pub.example",))

        assert (await fetched("http://pub.example/", rules, names)).size
        assert (await fetched("http://an.pub.example/", rules, names)).size
        said = {
            await refused(fetched(f"http://{host}/", rules, names))
            for host in ("other.example", "no.pub.example", "in.house", "gone.example", "127.0.0.1", "10.0.0.1")
        }

    assert said == {f"image 1 cannot be fetched: {INSIDE}"}
    assert len(site.asked) == 2


async def test_a_host_of_the_house_is_asked_at_its_port_alone_and_never_where_metadata_are() -> None:
    async with Site(answer()) as site, Site(answer()) as other:
        rules, names = inside(site), Resolver(a_house=[["127.0.0.1"], ["127.0.0.1"], ["169.254.169.254"]])

        assert (await fetched(f"http://a.house:{site.port}/", rules, names)).size
        at_another_port = await refused(fetched(f"http://a.house:{other.port}/", rules, names))
        assert (await fetched(f"http://a.house:{site.port}/", rules, names)).size
        of_metadata = await refused(fetched(f"http://a.house:{site.port}/", rules, names))

    assert at_another_port == of_metadata == f"image 1 cannot be fetched: {INSIDE}"
    assert (len(site.asked), other.asked) == (2, [])


# redirects


async def test_redirects_are_followed_thrice_and_each_hop_is_looked_at_afresh() -> None:
    async with Site(answer()) as last:
        there = f"http://b.house:{last.port}/end.png?q"
        async with Site(moved("/two", 301), moved("three", 307), moved(there, 308)) as site:
            names = Resolver(a_house=["127.0.0.1"], b_house=["127.0.0.1"])
            got = await fetched(f"http://a.house:{site.port}/one", inside(site, last), names)

    assert got.hosts == ("a.house", "a.house", "a.house", "b.house")
    assert names.asked == list(got.hosts)
    assert [head.split()[1] for head in site.asked] == ["/one", "/two", "/three"]
    assert last.asked[0].startswith("GET /end.png?q ")


async def test_a_fourth_redirect_is_not_followed() -> None:
    async with Site(moved("/again")) as site:
        said = await refused(fetched(f"http://127.0.0.1:{site.port}/", inside(site)))

    assert said == "image 1 cannot be fetched: it redirects more than 3 times"
    assert len(site.asked) == 4


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "//127.0.0.1:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://c.house:{port}/",
        "http://a.house:22/",
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://user:pass@a.house:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "data:image/png;base64,iVBORw0KGgo=",
        "http://a.house\\@127.0.0.1:{port}/",
    ],
)
async def test_a_redirect_inside_is_not_followed(to: str) -> None:
    async with Site(answer()) as secret, Site(moved(to.format(port=secret.port))) as site:
        names = Resolver(a_house=["127.0.0.1"], c_house=["127.0.0.1"], metadata_google_internal=["169.254.169.254"])
        await refused(
            fetched(f"http://a.house:{site.port}/", Rules(http=True, private=(f"a.house:{site.port}",)), names)
        )

    assert len(site.asked) == 1
    assert secret.asked == []


async def test_a_name_that_leads_inside_only_at_its_second_hop_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Site(moved("http://pub.example/two")) as site:
        outside = Outside(monkeypatch, at_8_8_8_8=site.port)
        names = Resolver(pub_example=[["8.8.8.8"], ["127.0.0.1"]])

        said = await refused(fetched("http://pub.example/one", Rules(http=True), names))

    assert said == f"image 1 cannot be fetched: {INSIDE}"
    assert [host for host, _, _ in outside.tried] == ["8.8.8.8"]


# certificates


async def test_the_certificate_has_to_be_that_of_the_name_although_an_address_is_asked(
    authority: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server, client = authority
    names = Resolver(media_house=["127.0.0.1"], other_house=["127.0.0.1"])
    async with Site(answer(), tls=server) as site:
        rules = Rules(private=(f"media.house:{site.port}", f"other.house:{site.port}"))

        (got,) = await Egress(rules, resolve=names, tls=client).fetch([wanted(f"https://media.house:{site.port}/")])
        of_another = await refused(
            Egress(rules, resolve=names, tls=client).fetch([wanted(f"https://other.house:{site.port}/")])
        )
        of_nobody_known = await refused(
            Egress(rules, resolve=names).fetch([wanted(f"https://media.house:{site.port}/")])
        )

    assert got.size == len(PNG)
    assert of_another == of_nobody_known == f"image 1 cannot be fetched: {INSIDE}"
    assert len(site.asked) == 1


async def test_https_is_not_left_for_http(authority: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server, client = authority
    async with Site(answer()) as plain, Site(moved(f"http://127.0.0.1:{plain.port}/"), tls=server) as site:
        rules = Rules(http=True, private=(f"media.house:{site.port}", f"127.0.0.1:{plain.port}"))
        egress = Egress(rules, resolve=Resolver(media_house=["127.0.0.1"]), tls=client)

        said = await refused(egress.fetch([wanted(f"https://media.house:{site.port}/")]))

    assert said == "image 1 cannot be fetched: it redirects from https to http"
    assert plain.asked == []


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certified(tmp_path, "media.house")
