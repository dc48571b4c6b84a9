"""Which addresses targets may call: the forms in which people hide one (RUN-2, the catalogue's 101)."""

import ipaddress

import pytest

from shared.rules.addresses import checked_url, is_open
from shared.rules.refused import RefusedValueError


def words(text: str) -> list[str]:
    return text.split()


CLOSED = words("""
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8
192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1 2002:7f00:1:: 2002:808:808:: 2001:0:4136:e378:8000:63bf:3fff:fdd2
2001:db8::1 3fff::1 fc00::1 fd00::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 100::1 5f00::1
""")
OPEN = words("1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.128.0.1 2606:4700::1111 2a00:1450:4001::1 ::ffff:8.8.8.8")

REFUSED = [
    ("", "url"),
    ("example.com", "url"),
    ("//example.com/x", "url"),
    ("http://", "url"),
    ("http:///x", "url"),
    ("http://:80/", "url"),
    ("ftp://example.com/", "url"),
    ("file:///etc/passwd", "url"),
    ("gopher://127.0.0.1:6379/_INFO", "url"),
    ("javascript:alert(1)", "url"),
    ("unix:/var/run/docker.sock", "url"),
    ("http://example.com:0/", "url"),
    ("http://example.com:99999/", "url"),
    ("http://example.com:x/", "url"),
    ("http://exa mple.com/", "url"),
    (" http://example.com/", "url"),
    ("http://example.com/\n", "url"),
    ("http://example.com/\tx", "url"),
    ("http://example.com/\x00", "url"),
    ("http://127.0.0.1\\@example.com/", "url"),
    ("http://example.com\\.evil.net/", "url"),
    ("http://user@example.com/", "url_user"),
    ("http://user:secret@example.com/", "url_user"),
    ("http://@example.com/", "url_user"),
    ("http://example.com@127.0.0.1/", "url_user"),
    ("http://２１３/", "url"),
    ("http://①②⑦.⓪.⓪.①/", "url"),
    ("http://münchen.example/", "url"),
    ("http://[::1", "url"),
    ("http://2130706433/", "url_number"),
    ("http://0x7f000001/", "url_number"),
    ("http://0x7f.0.0.1/", "url_number"),
    ("http://0177.0.0.1/", "url_number"),
    ("http://127.1/", "url_number"),
    ("http://127.0.1/", "url_number"),
    ("http://0/", "url_number"),
    ("http://127.0.0.1./", "url_number"),
    ("http://1.2.3.4.5/", "url_number"),
    ("http://localhost/", "url_not_public"),
    ("http://LOCALHOST/", "url_not_public"),
    ("http://localhost./", "url_not_public"),
    ("http://a.localhost/", "url_not_public"),
    ("http://printer.local/", "url_not_public"),
    ("http://metadata.google.internal/", "url_not_public"),
    ("http://-a.example.com/", "url"),
    ("http://a..example.com/", "url"),
    ("http://" + "a" * 64 + ".example.com/", "url"),
    ("http://example.com/" + "a" * 2000, "url"),
    *((f"http://{it}/" if ":" not in it else f"http://[{it}]/", "url_not_public") for it in CLOSED),
]


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_public_is_closed(address: str) -> None:
    assert not is_open(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_open(address: str) -> None:
    assert is_open(ipaddress.ip_address(address))


@pytest.mark.parametrize(("url", "code"), REFUSED, ids=lambda it: repr(it)[:50])
def test_a_form_that_hides_where_it_leads_is_refused_with_a_remedy(url: str, code: str) -> None:
    with pytest.raises(RefusedValueError) as refused:
        checked_url(url)

    assert refused.value.code == code
    assert refused.value.field == "url"
    assert ":" in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a/b?c=d#e",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/x",
        "https://xn--mnchen-3ya.example/",
        "https://a_b.example.com./",
    ],
)
def test_an_address_of_the_public_internet_is_taken_as_it_is(url: str) -> None:
    assert checked_url(url) == url


def test_a_network_that_is_allowed_is_open_in_each_of_its_forms_and_no_other() -> None:
    networks = ["127.0.0.0/8", "fd00:7::/32"]

    assert is_open(ipaddress.ip_address("127.0.0.9"), networks)
    assert is_open(ipaddress.ip_address("::ffff:127.0.0.9"), networks)
    assert is_open(ipaddress.ip_address("fd00:7::1"), networks)
    assert not is_open(ipaddress.ip_address("fd00:8::1"), networks)
    assert not is_open(ipaddress.ip_address("10.0.0.1"), networks)
    assert not is_open(ipaddress.ip_address("64:ff9b::7f00:1"), networks)
    assert checked_url("http://127.0.0.1:9/", networks)
    assert checked_url("http://localhost:9/", networks), "a name is looked at when it is called"
    with pytest.raises(RefusedValueError):
        checked_url("http://2130706433/", networks)
