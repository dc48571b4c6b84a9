"""Passwords that are made up once, then kept in a file only its owner can read."""

import os
import secrets
from pathlib import Path


def kept_password(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except FileNotFoundError:
        pass
    password = secrets.token_urlsafe(24)
    write_private(file, password)
    return password


def write_private(file: Path, text: str) -> None:
    """Replaces the file in one step: nobody reads half of it, and nobody but us reads it at all."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    unfinished.replace(file)
