"""The docs say what the code is: settings, paths, links, modules and events are compared."""

import re
import sys
from dataclasses import Field, fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from shared import settings
from shared.settings import Settings, environment_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("beat", "console", "shared", "workers")
OPERATIONS, EXAMPLE = ROOT / "docs" / "operations.md", ROOT / ".env.example"
WRITE_AGAIN = "write it again with `.venv/bin/python -m tests.test_docs`"
TABLE = re.compile(r"(?<=tests\.test_docs` -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)

DOCS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
every_doc = pytest.mark.parametrize("doc", DOCS, ids=lambda doc: str(doc.relative_to(ROOT)))

SOMEWHERE = {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://"}
ADDRESSES = """\
# Every variable that Slotbeat reads, with its default. Written by `.venv/bin/python -m tests.test_docs`.
# Commented lines are defaults, or examples where there is none. Where both addresses are missing, `make up` brings its
# own servers.

# Postgres, for instance postgresql://user:password@host:5432/database
DATABASE_URL=
# Redis or Valkey with maxmemory-policy noeviction, for instance redis://:password@host:6379/0
# (with Sentinel: sentinel://:password@host:26379,host2:26379/0?master=NAME)
REDIS_URL=
# Celery's broker; default: REDIS_URL. Installations that share a Redis need a namespace or a number each.
#CELERY_BROKER_URL=
# The hash tag of all keys of the gate; another than the default is also the prefix of Celery's keys.
#SLOTBEAT_NAMESPACE=slotbeat
# A file that beats and workers touch while they live; `python -m shared.pulse` looks at its age. None by default.
#SLOTBEAT_PULSE_FILE=/tmp/slotbeat-pulse
# How events are logged: text, or json.
#SLOTBEAT_LOG_FORMAT=text
# Where traces of firings go (extra telemetry), and errors (extra sentry): nowhere by default, and nothing is loaded.
#OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318
#SENTRY_DSN=
# The folder in which `slotbeat up` runs, and other commands look for it.
#SLOTBEAT_DIR=.slotbeat
# The server that the command line asks, and the token it shows there; default: the one of that folder.
#SLOTBEAT_URL=http://127.0.0.1:8000
#SLOTBEAT_TOKEN=
# A token that the API knows as an admin's from its start on: 32 characters or more, drawn at random.
#SLOTBEAT_ADMIN_TOKEN=
"""


# What is generated ---------------------------------------------------------------------------------


@cache
def source() -> str:
    files = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    return "\n".join(path.read_text("utf-8") for path in files if path != ROOT / "shared" / "settings.py")


def is_read(name: str) -> bool:
    """Whether any module takes the setting as an attribute, by itself or through a property of Settings."""
    via = {"lease_margin_s": "guard_margin_s"}.get(name, "allowed" if name.startswith("allowed_") else name)
    return re.search(rf"\.{via}\b", source()) is not None


def default_of(known: Field[Any]) -> str:
    """As one would write it into the environment."""
    default: Any = known.default
    if isinstance(default, bool):
        return str(default).lower()
    return default or "" if default is None or isinstance(default, str) else f"{default:g}"


def takes(known: Field[Any]) -> str:
    if known.type is bool:
        return "true or false"
    if known.type is str:
        return "text"
    low, high = known.metadata["low"], known.metadata["high"]
    bound = f"from {low:g}" if high >= 1e9 else f"from {low:g} to {high:.15g}"
    none = ", or nothing" if known.default is None else ""
    return f"{unit_of(known)} {bound}{none}"


def unit_of(known: Field[Any]) -> str:
    if known.name.endswith("_days"):
        return "days"
    if known.name.endswith(("_s", "_seconds")):
        return "seconds" if known.type is float else "whole seconds"
    return "a whole number"


def settings_table() -> str:
    lines = ["| variable | default | takes | meaning |", "|---|---|---|---|"]
    for known in fields(Settings):
        unread = "" if is_read(known.name) else " **Not read.**"
        default = f"`{default_of(known)}`" if default_of(known) else "none"
        meaning = f"{known.metadata['meaning']}.{unread}"
        lines.append(f"| `{environment_name(known.name)}` | {default} | {takes(known)} | {meaning} |")
    return "\n".join(lines) + "\n"


def example() -> str:
    lines = [ADDRESSES]
    for known in fields(Settings):
        unread = "" if is_read(known.name) else " Not read yet."
        lines.append(f"# {known.metadata['meaning']}; takes {takes(known)}.{unread}")
        lines.append(f"#{environment_name(known.name)}={default_of(known)}")
    return "\n".join(lines) + "\n"


def write() -> None:
    """Writes the table of settings and .env.example from the code."""
    EXAMPLE.write_text(example(), "utf-8")
    OPERATIONS.write_text(TABLE.sub(lambda _: settings_table(), OPERATIONS.read_text("utf-8")), "utf-8")


@cache
def events() -> set[str]:
    """The names of all that is logged."""
    text = source() + Path(settings.__file__).read_text("utf-8")
    return set(re.findall(r"\b(?:event|trouble)\(\s*\"([\w.]+)\"", text))


# What is compared ----------------------------------------------------------------------------------


def test_the_table_of_settings_is_that_of_the_code() -> None:
    found = TABLE.search(OPERATIONS.read_text("utf-8"))

    assert found is not None, "docs/operations.md lacks the place of its settings table"
    assert found[0] == settings_table(), WRITE_AGAIN


def test_the_example_environment_is_that_of_the_code() -> None:
    assert EXAMPLE.read_text("utf-8") == example(), WRITE_AGAIN


def test_the_defaults_of_the_example_are_read_back_as_the_defaults_of_the_code() -> None:
    given = dict(re.findall(r"^#(SLOTBEAT_\w+)=(.*)$", EXAMPLE.read_text("utf-8"), re.MULTILINE))

    for name in (
        "SLOTBEAT_PULSE_FILE",
        "SLOTBEAT_LOG_FORMAT",
        "SLOTBEAT_DIR",
        "SLOTBEAT_URL",
        "SLOTBEAT_TOKEN",
        "SLOTBEAT_ADMIN_TOKEN",
    ):
        given.pop(name)
    assert given.pop("SLOTBEAT_NAMESPACE") == settings.addresses(SOMEWHERE).namespace
    assert {it.source for it in settings.resolve(given, {})} == {"environment"}
    assert settings.read(given) == Settings()


def test_every_variable_that_the_code_reads_by_name_is_in_the_example() -> None:
    text = source() + Path(settings.__file__).read_text()
    read = set(re.findall(r"(?:environ(?:\.get\(|\[)|envvar=)\"([A-Z_]+)\"", text))

    assert {name for name in read if f"{name}=" not in EXAMPLE.read_text("utf-8")} <= {"LD_LIBRARY_PATH", "PATH"}


@every_doc
def test_every_path_that_a_doc_names_exists(doc: Path) -> None:
    paths = re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests|docs)/[\w/.-]*)`", doc.read_text("utf-8"))

    assert [path for path in paths if not (ROOT / path).exists()] == []


@every_doc
def test_every_module_that_a_doc_names_exists(doc: Path) -> None:
    names = set(re.findall(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`", doc.read_text("utf-8"))) - events()
    places = [ROOT.joinpath(*name.split(".")) for name in names]

    assert [str(it) for it in places if not (it.is_dir() or it.with_suffix(".py").is_file())] == []


@every_doc
def test_every_link_inside_the_repository_leads_somewhere(doc: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", doc.read_text("utf-8"))

    broken = [link for link in links if not leads_somewhere(doc, link)]

    assert broken == []


def leads_somewhere(doc: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    place = (doc.parent / path).resolve() if path else doc
    return place.exists() and (not anchor or anchor in anchors(place))


def anchors(doc: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", doc.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_events_that_the_docs_explain_are_those_that_are_logged() -> None:
    log = OPERATIONS.read_text("utf-8").partition("\n## Log\n")[2].partition("\n## ")[0]
    explained = [row.split(" | ")[0] for row in re.findall(r"^\| `.*$", log, re.MULTILINE)]
    names = re.findall(r"`([\w.]+)`", " ".join(explained))

    assert sorted(names) == sorted(events())


@every_doc
def test_a_doc_names_no_place_outside_of_the_repository(doc: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:home|work|tmp|root)/[\w/]+", doc.read_text("utf-8")) == []


def test_every_decision_is_in_the_index_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(page for page in folder.glob("*.md") if page.name != "README.md")
    index = (folder / "README.md").read_text("utf-8")

    numbers = [int(page.name[:4]) for page in pages]
    assert len(numbers) == len(set(numbers))
    for page in pages:
        assert f"({page.name})" in index, page.name
        parts = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "Rejected"], page.name


if __name__ == "__main__":
    write()
    sys.exit(0)
