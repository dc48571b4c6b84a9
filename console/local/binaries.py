"""Where an installed wheel keeps its files, found without importing it.

Importing these packages warns, opens parent folders or adds a user; we want only what is in their folders.
"""

import importlib.util
from pathlib import Path

from console.local.server import ServerFailed


def package_folder(package: str, remedy: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ServerFailed(f"{package} is not installed (pip install 'slotbeat[embedded]'): install it, or {remedy}")
    return Path(next(iter(found.submodule_search_locations)))
