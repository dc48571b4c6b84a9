"""The unit for systemd: what it starts, and what of systemd's defaults would end payloads that were to go on."""

from configparser import RawConfigParser

import click
import pytest

from console.cli import root
from shared.settings import Settings
from tests.process.conftest import ROOT

PATH = ROOT / "deploy" / "systemd" / "slotbeat@.service"


@pytest.fixture(scope="module")
def service() -> dict[str, str]:
    unit = RawConfigParser()
    unit.read_string(PATH.read_text("utf-8"))
    return dict(unit["Service"])


def test_a_stop_is_told_to_the_worker_alone_and_waits_for_its_graces(service: dict[str, str]) -> None:
    graces = Settings().shutdown_grace_s + Settings().abort_grace_s

    assert service["killmode"] == "mixed"
    assert int(service["timeoutstopsec"]) >= graces + 10


def test_a_payload_that_the_kernel_ends_takes_nobody_with_it(service: dict[str, str]) -> None:
    assert service["oompolicy"] == "continue"


def test_a_worker_that_ends_itself_is_started_again_as_nobody_special(service: dict[str, str]) -> None:
    assert service["restart"] == "always"
    assert service["user"] == "slotbeat"
    assert service["nonewprivileges"] == "yes"


def test_every_part_that_is_named_is_there(service: dict[str, str]) -> None:
    [enabled] = [it for it in PATH.read_text("utf-8").splitlines() if "systemctl enable" in it]
    parts = [it.partition("@")[2] for it in enabled.split() if it.startswith("slotbeat@")]

    assert parts == ["beat", "worker", "api"]
    assert all(root.get_command(click.Context(root), it) for it in parts)
    assert service["execstart"] == "/opt/slotbeat/bin/slotbeat %i"
