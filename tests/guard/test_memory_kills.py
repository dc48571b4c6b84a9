"""How many processes the kernel killed for want of memory, as read from where it counts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers import oom


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    """The file that counts is kept open: one that a test has chosen is closed again."""
    oom._counter.cache_clear()
    yield
    if (opened := oom._counter()) is not None:
        os.close(opened)
    oom._counter.cache_clear()


def test_the_groups_own_count_goes_before_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = tmp_path / "memory.events"
    counts.write_text("low 1\nhigh 2\nmax 4\noom 5\noom_kill 3\noom_group_kill 7\n")
    monkeypatch.setattr(oom, "_group_file", lambda: counts)

    assert oom.kills() == 3
    counts.write_text("low 1\nhigh 2\nmax 4\noom 5\noom_kill 4\noom_group_kill 7\n")
    assert oom.kills() == 4


def test_without_a_count_of_the_group_the_machines_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = next(it for it in Path("/proc/vmstat").read_text().splitlines() if it.startswith("oom_kill "))
    monkeypatch.setattr(oom, "_group_file", lambda: tmp_path / "missing")

    assert oom.kills() >= int(machine.split()[1])
