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


@dataclass(frozen=True)
class File:
    """A file as it is served."""

    content: bytes
    media_type: str
    version: str


def _read(path: Path) -> File:
    content = path.read_bytes()
    return File(content, _TYPES[path.suffix], blake2b(content, digest_size=6).hexdigest())


FILES = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def address(name: str) -> str:
    """The address of a file, which may be kept for as long as anybody likes."""
    return f"/static/{name}?v={FILES[name].version}"
