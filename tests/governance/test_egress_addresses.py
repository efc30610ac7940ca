"""Addresses and URLs that lead inside are known in every spelling."""

import socket
from ipaddress import ip_address

import pytest

from freehold.governance.egress.address import reached
from freehold.governance.egress.target import Hosts, Unfit, target

PUBLIC = [
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.1.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
INSIDE = ["127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
          "100.127.255.254", "::1", "fc00::1", "fd12:3456::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1"]  # fmt: skip
NEVER = [
    "169.254.169.254",  # metadata of AWS, Google, Azure
    "169.254.170.2",
    "168.63.129.16",  # and of Azure once more
    "192.0.0.192",  # of Oracle
    "fd00:ec2::254",  # of AWS
    "fd20:ce::254",  # of Google
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "192.88.99.1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1%1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2001:20::1",
    "2001:2::1",
    "4000::1",
    "::7f00:1",  # IPv4-compatible
    "::127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",  # translated (SIIT)
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",  # a house's own translator
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::1",
    "2002:c0a8:101::",
    "2a00:1450::5efe:10.0.0.1",  # ISATAP
    "2a00:1450::200:5efe:127.0.0.1",
    "localhost",
    "127.1",
    "0177.0.0.1",
    "0x7f000001",
    "2130706433",
    "",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_asked(address: str) -> None:
    assert reached(address) == ip_address(address)


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_for_hosts_that_the_operator_names(address: str) -> None:
    plain = ip_address(address.removeprefix("::ffff:"))

    assert reached(address) is None
    assert reached(address, inside=True) == plain


@pytest.mark.parametrize("address", NEVER)
def test_an_address_of_metadata_of_a_link_of_a_group_or_of_nobody_is_never_asked(address: str) -> None:
    assert reached(address) is None
    assert reached(address, inside=True) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_stays_public_for_hosts_inside(address: str) -> None:
    assert reached(address, inside=True) == ip_address(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://127.0.0.1.5/",
        "http://1.2.3.256/",
        "http://example.0x7f/",
        "http://example.127/",
        "http://０x7f.1/",
        "http://[::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://[::1]example.org/",
        "http://[::1]@example.org/",
        "http://[1.2.3.4]/",
        "http://[v1.a]/",
        "http://]/",
        "http://user@example.org/",
        "http://user:password@example.org/",
        "http://@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http:\\\\127.0.0.1/",
        "http://127.0.0.1\t.example.org/",
        "http://127.0.0.1\n/",
        " http://example.org/",
        "http://example.org/a b",
        "http://example.org/\r\nhost: inside",
        "http://exa\x00mple.org/",
        "http://example.org\u2100.de/",
        "http://exam%70le.org/",
        "http://example..org/",
        "http://.example.org/",
        "http://-a.org/",
        "http:///path",
        "http:example.org",
        "//example.org/",
        "example.org/i.png",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
        "data:image/png;base64,AAAA",
        "https://example.org:99999/",
        "https://example.org:https/",
        "https://example.org:４４３/",
        f"https://example.org/{'a' * 9000}",
        f"https://{'a' * 64}.org/",
        "",
    ],
)
def test_a_url_that_is_not_plain_is_not_followed(url: str) -> None:
    with pytest.raises(Unfit):
        target(url)


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://example.org", "example.org", 443, "/", "example.org"),
        ("HTTPS://EXAMPLE.org./i.png", "example.org", 443, "/i.png", "example.org"),
        ("https://example.org:443/a?b=c%20d&e=ü#f", "example.org", 443, "/a?b=c%20d&e=%C3%BC", "example.org"),
        ("http://example.org:8080/%2e%2e/x", "example.org", 8080, "/%2e%2e/x", "example.org:8080"),
        ("https://bücher.example/", "xn--bcher-kva.example", 443, "/", "xn--bcher-kva.example"),
        ("https://127。0。0。1/", "127.0.0.1", 443, "/", "127.0.0.1"),
        ("https://１２７.0.0.1/", "127.0.0.1", 443, "/", "127.0.0.1"),
        ("https://localhost./", "localhost", 443, "/", "localhost"),
        ("https://[0:0:0:0:0:0:0:1]/", "::1", 443, "/", "[::1]"),
        ("https://[::FFFF:127.0.0.1]:8443/", "127.0.0.1", 8443, "/", "127.0.0.1:8443"),
    ],
)
def test_a_plain_url_is_read_in_one_way(url: str, host: str, port: int, path: str, authority: str) -> None:
    found = target(url)

    assert (found.host, found.port, found.path, found.authority) == (host, port, path, authority)
    assert target(found.url) == found


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("example.org", "https://example.org/", True),
        ("example.org", "https://EXAMPLE.ORG./", True),
        ("example.org", "http://example.org/", True),
        ("example.org", "https://example.org:8443/", False),
        ("example.org:8443", "https://example.org:8443/", True),
        ("example.org:8443", "https://example.org/", False),
        ("example.org", "https://an.example.org/", False),
        ("example.org", "https://notexample.org/", False),
        ("*.example.org", "https://an.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "https://anexample.org/", False),
        ("*.example.org", "https://example.org.evil.net/", False),
        ("10.0.0.5", "https://10.0.0.5/", True),
        ("[FD00::5]:8443", "https://[fd00:0::5]:8443/", True),
        ("[fd00::5]", "https://[fd00::5]/", True),
    ],
)
def test_a_list_holds_a_host_with_the_port_that_it_names(entry: str, url: str, allowed: bool) -> None:
    assert Hosts([entry]).allow(target(url)) is allowed


def test_the_systems_resolver_understands_the_spellings_that_are_refused() -> None:
    """So it is no wonder that they are."""
    if socket.gethostbyname("127.1") != "127.0.0.1":
        pytest.skip("this system reads no short addresses")
    for spelt in ("0x7f000001", "2130706433", "0177.0.0.1"):
        assert socket.gethostbyname(spelt) == "127.0.0.1"
        with pytest.raises(Unfit):
            target(f"https://{spelt}/")
