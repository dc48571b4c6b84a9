"""Which addresses a target may call: by their form when they are written, by their number when they are called."""

import ipaddress
import re
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import urlsplit

from shared.rules.refused import RefusedValueError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LONGEST_URL = 2000

# Not the public internet, whatever `is_global` of the Python at hand says. Those of IPv6 that carry an IPv4
# address lead there through a gateway: NAT64, 6to4, Teredo, and the old compatible form.
_CLOSED = tuple(
    ipaddress.ip_network(it)
    for it in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/3", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)
_LOCAL = (".localhost", ".localdomain", ".local", ".internal", ".home.arpa")


def checked_url(url: str, networks: Iterable[str] = ()) -> str:
    """The address itself; RefusedValueError for what is none, or names a place that is not public by its form.

    What a name stands for is looked at when it is called: see `is_open`.
    """
    parts = _split(url)
    host = parts.hostname or ""
    literal = _literal(host)
    if literal is not None:
        if not is_open(literal, networks):
            _refuse("url_not_public", f"{host} is no public address: its network must be in SLOTBEAT_ALLOWED_NETWORKS.")
    else:
        _check_name(host, bool(list(networks)))
    return url


def is_open(address: Address, networks: Iterable[str] = ()) -> bool:
    """Whether a target may connect there: a public address, or one of these networks."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    inside = (address in it for it in map(ipaddress.ip_network, networks) if it.version == address.version)
    if any(inside):
        return True
    closed = any(address in it for it in _CLOSED if it.version == address.version)
    return address.is_global and not address.is_multicast and not closed


def is_network(text: str) -> bool:
    """Whether this is a network as the setting takes them."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _split(url: str):
    # One reading of an address only: what two parsers could read as two hosts is refused.
    if not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url) or len(url) > LONGEST_URL:
        _refuse("url", "Spaces, backslashes and other scripts have no place in an address: write it in plain ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        _refuse("url", "This is no address: write http:// or https:// and a host, for example https://example.com/run.")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        _refuse("url", "This is no address: write http:// or https:// and a host, for example https://example.com/run.")
    if "@" in parts.netloc:
        _refuse("url_user", "An address has no user and password: put them into a header, as a secret.")
    return parts


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_name(host: str, some_are_open: bool) -> None:
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # 127.1, 2130706433, 0x7f000001, 0177.0.0.1: an address to the resolver, though not to those who read it.
        _refuse("url_number", f"{host} is a number in disguise: write the address in full, for example 192.0.2.7.")
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        _refuse("url", f"{host} is no name of a host: write for example https://example.com/run.")
    if not some_are_open and f".{'.'.join(labels)}".lower().endswith(_LOCAL):
        _refuse("url_not_public", f"{host} is no public name: its network must be in SLOTBEAT_ALLOWED_NETWORKS.")


def _refuse(code: str, message: str) -> NoReturn:
    raise RefusedValueError("url", code, message)
