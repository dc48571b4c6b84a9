"""Where this server listens: on this machine alone, or where others reach it."""

import ipaddress
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

# Its options come from the environment too.
_UVICORNS = "UVICORN_HOST"
_OWN_FILES = Path("/proc/self/fd")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_origin(origin: str, host: str) -> bool:
    """Whether a browser that calls us so had its page from us, as it tells; whatever else it says is another's."""
    return origin in (f"http://{host}", f"https://{host}")


def asked_for(arguments: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Where uvicorn is asked to listen beyond this machine; None where nowhere."""
    found = environ.get(_UVICORNS, "127.0.0.1")
    for at, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in ("--host", "--uds", "--fd"):
            value = value if equals else "".join(arguments[at + 1 : at + 2])
            found = value if name == "--host" else f"{name} {value}"
    return None if is_loopback(found) else found


def this_program_was() -> str | None:
    """The same of this process, if it is uvicorn's; None where it cannot be known."""
    return asked_for(sys.argv[1:], os.environ) if "uvicorn" in Path(sys.argv[0]).parent.name + sys.argv[0] else None


def is_wide(port: int) -> bool:
    """Whether this process listens on this port for others too, whichever way it was started."""
    return any(not is_loopback(host) for host in _listening(port))


def _listening(port: int) -> list[str]:
    found: list[str] = []
    for it in os.listdir(_OWN_FILES) if _OWN_FILES.exists() else ():
        with suppress(OSError):
            copy = os.dup(int(it))
            try:
                opened = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with opened:
                inet = opened.family in (socket.AF_INET, socket.AF_INET6)
                if inet and opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    name = opened.getsockname()
                    found += [name[0]] if name[1] == port else []
    return found
