"""Fetches an address of a local server and says what it answered."""

import json
import sys
from pathlib import Path

import httpx

from console.local.payloads.say import result, say, think


def main(url: str, state_file: Path) -> None:
    """Three looks, a second apart. Where a stack runs in a folder, its port may be another one today."""
    if state_file.exists():
        url = json.loads(state_file.read_text())["api_url"] + "/readyz"
    for look in range(1, 4):
        answer = _ask(url)
        say("turn", look=look, status=answer.status_code, bytes=len(answer.content))
        think(1.0)
    result(f"{url} answers")


def _ask(url: str) -> httpx.Response:
    try:
        answer = httpx.get(url, timeout=10)
    except httpx.HTTPError as error:
        sys.exit(f"fetch: {url} does not answer ({error}): start it with `slotbeat up`")
    if answer.is_error:
        sys.exit(f"fetch: {url} answers {answer.status_code}: {_what_is_wrong(answer)}")
    return answer


def _what_is_wrong(answer: httpx.Response) -> str:
    """As /readyz says it, which names the remedy; else as it stands."""
    try:
        told = answer.json()
        return "; ".join(f"{it}: {told[it]}" for it in ("database", "redis") if told[it] != "ok")
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
