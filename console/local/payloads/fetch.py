"""Fetches an address of a local server and says what it answered."""

import sys

import httpx

from console.local.payloads.say import result, say, think


def main(url: str) -> None:
    """Three looks, a second apart."""
    for look in range(1, 4):
        answer = httpx.get(url, timeout=5).raise_for_status()
        say("turn", look=look, status=answer.status_code, bytes=len(answer.content))
        think(1.0)
    result(f"{url} answers")


if __name__ == "__main__":
    main(sys.argv[1])
