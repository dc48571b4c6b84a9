"""One small change of one file, and how it reads."""

import hashlib
import re
from dataclasses import dataclass

# In the order in which a draw goes round.
KINDS = ("guard", "condition", "step", "bound", "constant")
SHOWN = 110


@dataclass(frozen=True, order=True)
class Cut:
    """`text[start:end]` of a file replaced by `new`."""

    file: str
    start: int
    end: int
    new: str
    kind: str


def applied(text: str, cut: Cut) -> str:
    return text[: cut.start] + cut.new + text[cut.end :]


def other_number(written: str) -> str:
    """A small whole number is moved by one; any other is doubled."""
    value = float(written.replace("_", ""))
    if value.is_integer() and abs(value) < 10:
        return repr(value + 1) if "." in written else str(int(value) + 1)
    return repr(value * 2) if "." in written or "e" in written else str(int(value) * 2)


def line_of(text: str, cut: Cut) -> int:
    behind = len(text[cut.start : cut.end]) - len(text[cut.start : cut.end].lstrip())
    return text.count("\n", 0, cut.start + behind) + 1


def name_of(text: str, cut: Cut) -> str:
    """The same for the same change of the same text, so that what was tried is known again."""
    whole = "\0".join((cut.file, text, str(cut.start), str(cut.end), cut.new))
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def shown(text: str, cut: Cut) -> tuple[str, str]:
    """The lines it touches, before and after, on one line each."""
    first = text.rfind("\n", 0, cut.start) + 1
    last = text.find("\n", cut.end)
    last = len(text) if last < 0 else last
    if last - first > SHOWN:
        first, last = max(first, cut.start - SHOWN // 3), min(last, max(cut.end, cut.start + SHOWN // 2))
    before, after = text[first:last], text[first : cut.start] + cut.new + text[cut.end : last]
    return _flat(before), _flat(after)


def _flat(text: str) -> str:
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= 2 * SHOWN else flat[: 2 * SHOWN] + " …"
