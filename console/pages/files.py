"""The stylesheet, the script and the mark, each with a version that changes with its content."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# One stylesheet in files that can be read; later ones win.
_STYLES = ("ground", "parts", "tables", "charts", "forms", "phone")


@dataclass(frozen=True)
class File:
    """A file as it is served."""

    content: bytes
    media_type: str
    version: str


def _file(name: str, content: bytes) -> File:
    return File(content, _TYPES[Path(name).suffix], blake2b(content, digest_size=6).hexdigest())


def _read() -> dict[str, File]:
    found = {it.name: it.read_bytes() for it in sorted(_FOLDER.iterdir()) if it.suffix in _TYPES}
    found["slotbeat.css"] = b"\n".join((_FOLDER / "css" / f"{it}.css").read_bytes() for it in _STYLES)
    return {name: _file(name, content) for name, content in found.items()}


FILES = _read()


def address(name: str) -> str:
    """The address of a file, which may be kept for as long as anybody likes."""
    return f"/static/{name}?v={FILES[name].version}"
