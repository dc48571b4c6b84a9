"""Holds every file to its size: at most 300 lines, and one opening sentence in each Python file."""

import ast
import subprocess
import sys
from pathlib import Path

LINES = 300
SIZED = {".py", ".lua", ".sql", ".html", ".css", ".js"}
# A release may need a long migration, and nobody edits one afterwards.
EXEMPT = ("shared/migrations/",)
FORBIDDEN_NAMES = {"utils", "common", "helpers", "base", "manager", "service"}


def main() -> int:
    wrong = [line for file in ours() for line in findings(file)]
    print("\n".join(wrong) or "sizes: ok")
    return 1 if wrong else 0


def ours() -> list[Path]:
    """What is in git or about to be: not what .gitignore names."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [Path(name) for name in sorted(set(listed)) if Path(name).suffix in SIZED]
    return [file for file in files if file.is_file() and not file.as_posix().startswith(EXEMPT)]


def findings(file: Path) -> list[str]:
    text = file.read_text("utf-8")
    found: list[str] = []
    lines = text.count("\n")
    if lines > LINES:
        found.append(f"{file}: {lines} lines, at most {LINES}: move something out that has a name of its own")
    if file.suffix == ".py":
        found += [f"{file}: {what}" for what in findings_in_python(file, text)]
    return found


def findings_in_python(file: Path, text: str) -> list[str]:
    found: list[str] = []
    if FORBIDDEN_NAMES & {file.stem, *file.parent.parts}:
        found.append("a name that says nothing; name the thing it knows")
    if text.strip() and not opens_with_a_sentence(text):
        found.append("does not open with one sentence that says what it is for")
    return found


def opens_with_a_sentence(text: str) -> bool:
    opening = ast.get_docstring(ast.parse(text))
    return opening is not None and opening.partition("\n\n")[0].rstrip().endswith((".", ":"))


if __name__ == "__main__":
    sys.exit(main())
