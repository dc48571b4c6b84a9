"""Every command that a doc, an alert or a remedy names is there, with the options it is named with."""

import re
import shlex
from collections.abc import Iterator

import click

from console.cli import root
from tests.test_docs import DOCS, ROOT

WHERE_REMEDIES_ARE = [path for part in ("doctor", "cli", "local") for path in (ROOT / "console" / part).rglob("*.py")]
PLACES = sorted([*DOCS, *WHERE_REMEDIES_ARE, *(ROOT / "deploy").rglob("*.y*ml")])
# In backquotes, as a string that is a remedy, and as a line of a block for a shell.
NAMED = re.compile(
    r"`slotbeat ([^`\n]+)`|[\"']slotbeat ([^\"'\n]+)[\"']|^(?:export \w+=\$\()?slotbeat (.+?)\)?$", re.MULTILINE
)
MADE_UP = re.compile(r"[…/]|\.\.\.")


def test_every_command_that_is_named_is_there_with_its_options() -> None:
    told = [(str(place.relative_to(ROOT)), it) for place in PLACES for it in named(place.read_text("utf-8"))]

    assert [it for it in told if not is_there(it[1])] == []
    assert len(told) > 100


def test_what_is_not_there_is_seen() -> None:
    wrong = ["schedule lst", "schedule run x --wiat", "frobnicate", "firing logs -x", "limit"]

    assert [it for it in [*wrong, "schedule run x --wait", "worker -Q firings"] if not is_there(it)] == wrong[:4]


def named(text: str) -> Iterator[str]:
    for found in NAMED.finditer(text):
        command = next(filter(None, found.groups()))
        if not MADE_UP.search(command) and not command.startswith("up:"):
            yield command


def is_there(command: str) -> bool:
    """Whether its words are commands as far as there are groups, and then its options are those of the last."""
    words = shlex.split(command.partition(" -- ")[0].rstrip("\\"), comments=True)
    here: click.Command = root
    while isinstance(here, click.Group) and words and not words[0].startswith("-"):
        found = here.get_command(click.Context(here), words.pop(0))
        if found is None:
            return False
        here = found
    if here.context_settings.get("ignore_unknown_options"):
        return True
    known = {"--help", "-h", *(name for it in here.params for name in (*it.opts, *it.secondary_opts))}
    return all(it.partition("=")[0] in known for it in words if it.startswith("-"))
