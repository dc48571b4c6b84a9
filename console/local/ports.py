"""Ports on the loopback address that nobody uses."""

import random
import socket
import sys

LOOPBACK = "127.0.0.1"
# Below the range from which the kernel takes ports for outgoing connections: one of those could take
# ours in the moment between looking and listening, and again while a server restarts.
FIRST, LAST = 15_000, 32_000


def free_port() -> int:
    candidates = random.SystemRandom()
    for _ in range(200):
        port = candidates.randint(FIRST, LAST)
        if is_free(port):
            return port
    raise OSError(f"no free port between {FIRST} and {LAST} on {LOOPBACK}")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of the last run that still linger do not count as "taken".
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return False
    return True


def claim_port(port: int) -> socket.socket | None:
    """The port is ours against every other stack on this machine until the answer is closed; None when taken.

    Whoever will listen is not started yet. Until then a name in the abstract socket namespace says that
    the port has a taker: it takes no place in the file system, and ends with us.
    """
    name = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            name.bind(f"\0slotbeat-port-{port}")
    except OSError:
        name.close()
        return None
    if is_free(port):
        return name
    name.close()
    return None
