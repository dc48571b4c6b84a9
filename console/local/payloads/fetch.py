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
        answer = httpx.get(url, timeout=5).raise_for_status()
        say("turn", look=look, status=answer.status_code, bytes=len(answer.content))
        think(1.0)
    result(f"{url} answers")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
