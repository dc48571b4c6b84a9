"""What the demo fleet's own programs say where something is wrong: a sentence, and no traceback."""

import subprocess
import sys
from pathlib import Path

from tests.console.conftest import api_at


def fetch(url: str, folder: Path) -> tuple[int, str]:
    argv = [sys.executable, "-m", "console.local.payloads.fetch", f"{url}/readyz", str(folder / "state.json")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=50)
    return done.returncode, done.stderr


def test_is_the_api_there_says_what_is_wrong_and_what_to_do(
    empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with api_at(empty_database_url, redis_url) as api:
        url = str(api.client.base_url).rstrip("/")
        not_migrated = fetch(url, tmp_path)
        strange = fetch(f"{url}/nothing", tmp_path)
    gone = fetch(url, tmp_path)

    assert not_migrated == (1, f"fetch: {url}/readyz answers 503: database: not migrated: run `slotbeat migrate`\n")
    assert (strange[0], strange[1].startswith(f"fetch: {url}/nothing/readyz answers 404: ")) == (1, True)
    assert (gone[0], gone[1].startswith(f"fetch: {url}/readyz does not answer (")) == (1, True)
    assert gone[1].endswith("start it with `slotbeat up`\n")
