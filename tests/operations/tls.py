"""TLS in front of a test's servers, with a certificate authority of the test's own: what a real server does first."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


def authority(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "only for this test")])
    begin = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


@dataclass
class Wall:
    """A port that speaks TLS, and to a server behind it without; how many came in, and how many were turned away."""

    target_port: int
    context: ssl.SSLContext
    asks_first: bool
    listener: socket.socket
    entered: int = 0
    refused: int = 0
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def begin(self, deed: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=deed, args=args, name="tls", daemon=True)
        self._threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                self.begin(self.let_in, self.listener.accept()[0])

    def let_in(self, plain: socket.socket) -> None:
        try:
            if self.asks_first and plain.recv(8, socket.MSG_WAITALL) == _SSL_REQUEST:
                plain.sendall(b"S")
            client = self.context.wrap_socket(plain, server_side=True)
        except OSError:
            self.refused += 1
            plain.close()
            return
        self.entered += 1
        server = socket.create_connection(("127.0.0.1", self.target_port))
        self._open += [client, server]
        self.begin(_pass, client, server)
        self.begin(_pass, server, client)

    def end(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for it in self._open:
            _cut(it)
        for thread in self._threads:
            thread.join(10)


@contextmanager
def wall(target_port: int, certificate: Path, key: Path, *, postgres: bool = False) -> Iterator[Wall]:
    """`postgres`: a client asks in clear for TLS first, as Postgres's own clients do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        made = Wall(target_port, context, postgres, listener)
        made.begin(made.accept)
        try:
            yield made
        finally:
            made.end()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for end in (source, sink):
        _cut(end)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
