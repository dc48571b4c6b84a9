"""The program that tells people through Apprise: what to say comes on its standard input, what came of it goes out."""

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# Of Python, all but the current folder and the environment: Apprise is a package.
ARGV = (sys.executable, "-I", __file__)
# Addresses that are called at once; one that hangs hinders no other.
_TOGETHER = 16


def main() -> int:
    """0; a line of JSON for each alert and address, as soon as it is known."""
    order = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)  # Apprise's own words have addresses in them
    with ThreadPoolExecutor(_TOGETHER) as pool:
        for address, alerts in order:
            pool.submit(_tell, address, alerts)
    return 0


def _tell(address: str, alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        error = _send(address, alert)
        print(json.dumps({"alert": alert["id"], "to": alert["to"], "error": error}), flush=True)


def _send(address: str, alert: dict[str, Any]) -> str | None:
    """None when it was taken; else why not, without the address."""
    import apprise

    try:
        known = apprise.Apprise()
        if not known.add(address):
            return "it is no address that Apprise knows"
        taken = known.notify(body=alert["body"], title=alert["title"], notify_type=apprise.NotifyType.WARNING)
    except Exception as error:  # noqa: BLE001 170 services, each with troubles of its own
        return type(error).__name__
    return None if taken else "it was not taken"


if __name__ == "__main__":
    sys.exit(main())
