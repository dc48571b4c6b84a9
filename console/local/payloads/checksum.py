"""Checksums a folder, so that a change to any file in it shows."""

import hashlib
import sys
from pathlib import Path

from console.local.payloads.say import result, say, think


def main(root: Path) -> None:
    """One digest over all files in order of their names."""
    digest = hashlib.sha256()
    files = sorted(it for it in root.rglob("*") if it.is_file() and it.suffix != ".pyc")
    for number, path in enumerate(files):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
        if number % 100 == 0:
            say("log", text=f"{number} of {len(files)} files")
            think(0.2)
    say("turn", files=len(files))
    result(f"sha256 {digest.hexdigest()} over {len(files):,} files")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
