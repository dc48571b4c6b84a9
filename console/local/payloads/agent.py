"""A small agent loop: looks at one source file a turn, and sums up. It may be told to do too much."""

import sys
from pathlib import Path

from console.local.payloads.say import result, say, think


def main(root: Path, steps: int) -> None:
    """One file a turn, the largest first: its functions, and how many lines the longest name is used on."""
    task = sys.stdin.read().strip()
    say("message", role="assistant", text=f"My task: {task}")
    files = sorted(root.rglob("*.py"), key=lambda it: -it.stat().st_size)[:steps]
    notes: list[str] = []
    for path in files:
        text = path.read_text(encoding="utf-8", errors="replace")
        functions = text.count("\ndef ") + text.count("\n    def ")
        say("tool", name="read_file", path=str(path.relative_to(root)))
        say("turn", text=f"{path.name}: {functions} functions in {text.count(chr(10))} lines")
        notes.append(f"{path.relative_to(root)}: {functions} functions")
        think()
    result("\n".join(notes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
