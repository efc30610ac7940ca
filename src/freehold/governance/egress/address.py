"""Which addresses may be asked where a caller names the host: those of the public internet, and nothing that leads
back inside by another spelling.

IANA's special-purpose registries (iana-ipv4-special-registry, iana-ipv6-special-registry; RFC 6890), and the addresses
at which clouds tell a machine its own secrets.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

INSIDE4 = tuple(
    IPv4Network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a carrier (RFC 6598); Alibaba's metadata too
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
    )
)
NEVER4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local: metadata of AWS, Google, Azure and most others
        "168.63.129.16/32",  # Azure tells its machines their secrets here, though it is a public address
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
INSIDE6 = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
METADATA6 = (IPv6Network("fd00:ec2::/32"), IPv6Network("fd20:ce::/32"))
"""Of AWS and Google, among the addresses that a house gives itself."""
GLOBAL6 = IPv6Network("2000::/3")
"""All that has been given out to anybody."""
NEVER6 = (
    IPv6Network("2001::/23"),  # protocol assignments: Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),
    IPv6Network("2620:4f:8000::/48"),
    IPv6Network("3fff::/20"),
)
NAT64 = IPv6Network("64:ff9b::/96")
SIX_TO_FOUR = IPv6Network("2002::/16")
ISATAP = frozenset({0x00005EFE, 0x02005EFE})


def reached(text: str, *, inside: bool = False) -> Address | None:
    """The address to connect to, or None where it may not be. `inside`: those that a house gives itself, and its own
    machine, may be too; those of a link, of metadata, of groups and of nobody never are."""
    try:
        address = ip_address(text)
    except ValueError:  # also one with a zone that does not belong there
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # connected to as what it is
    if isinstance(address, IPv4Address):
        return address if _may4(address, inside) else None
    return address if _may6(address, inside) else None


def _may4(address: IPv4Address, inside: bool) -> bool:
    if any(address in network for network in NEVER4):
        return False
    if any(address in network for network in INSIDE4):
        return inside
    return address.is_global


def _may6(address: IPv6Address, inside: bool) -> bool:
    if any(address in network for network in INSIDE6):
        return inside and not any(address in network for network in METADATA6)
    held = embedded(address)
    if held is not None and not _may4(held, inside=False):
        return False
    if address in NAT64:
        return True
    return address in GLOBAL6 and not any(address in network for network in NEVER6)


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which one of these leads: by a translator (RFC 6052) or a tunnel (RFC 3056, RFC 5214)."""
    number = int(address)
    if address in NAT64:
        return IPv4Address(number & 0xFFFFFFFF)
    if address in SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFFFFFF)
    if (number >> 32) & 0xFFFFFFFF in ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None
