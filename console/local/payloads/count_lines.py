"""Counts the lines of a source tree, folder by folder."""

import sys
from collections import Counter
from pathlib import Path

from console.local.payloads.say import result, say, think


def main(root: Path) -> None:
    """A turn for each top folder; the result is a table by file ending."""
    lines: Counter[str] = Counter()
    for folder in sorted(it for it in root.iterdir() if it.is_dir() and not it.name.startswith(".")):
        here = 0
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix in {".py", ".sql", ".lua", ".md", ".html", ".css"}:
                count = path.read_bytes().count(b"\n")
                lines[path.suffix] += count
                here += count
        say("turn", folder=folder.name, lines=here)
        think(0.3)
    result("\n".join(f"{ending:6} {count:8,}" for ending, count in lines.most_common()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
