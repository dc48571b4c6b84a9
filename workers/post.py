"""The program that calls an address: which one comes on its standard input, where no process list shows it."""

import http.client
import json
import sys
from urllib.parse import urlsplit

# For one read or write. How long it takes all in all is for the guard around this process to say.
_TIMEOUT_S = 30
# The least that this program needs of Python: it is started for one call.
ARGV = (sys.executable, "-I", __file__)


def main() -> int:
    """0 when it was answered with success; else 1, and why on standard error."""
    order = json.load(sys.stdin)
    try:
        status = _call(order.get("method", "POST"), order["url"], json.dumps(order["body"]), order["headers"])
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"it could not be called: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    # A redirect is no success: what was to be called is the address that somebody wrote down.
    if 200 <= status < 300:
        return 0
    print(f"it answered {status}", file=sys.stderr)
    return 1


def _call(method: str, url: str, body: str, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    if parts.scheme not in kinds or parts.hostname is None:
        raise ValueError("it is no address of http or https")
    connection = kinds[parts.scheme](parts.hostname, parts.port, timeout=_TIMEOUT_S)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    told = {"Content-Type": "application/json", "User-Agent": "slotbeat", **headers}
    connection.request(method, path, None if method == "GET" else body.encode(), told)
    return connection.getresponse().status


if __name__ == "__main__":
    sys.exit(main())
