"""Trees of processes where the kernel helps less: without its list of children, or not Linux; and their burial."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workers import tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_list_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(path: str, *words: Any, **options: Any) -> Any:
        if path.endswith("/children"):
            raise FileNotFoundError(path)
        return open(path, *words, **options)

    monkeypatch.setattr(tree, "open", without, raising=False)


@pytest.mark.parametrize(("platform", "has_tasks"), [("darwin", True), ("linux", False)])
def test_where_trees_cannot_be_followed_it_says_so(
    monkeypatch: pytest.MonkeyPatch, platform: str, has_tasks: bool
) -> None:
    monkeypatch.setattr(tree.sys, "platform", platform)
    monkeypatch.setattr(tree.os.path, "isdir", lambda _: has_tasks)

    assert tree.support() == "process group"


BURIAL = """
import os, subprocess
from workers import tree
assert tree.become_subreaper()
subprocess.run(["sh", "-c", "sleep 1000 & sleep 1000 &"])
assert len(tree.children(os.getpid())) == 2
assert tree.end_below(os.getpid())
print(tree.children(os.getpid()))
"""


def test_orphans_that_are_ended_are_buried_too() -> None:
    done = subprocess.run([sys.executable, "-c", BURIAL], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("no_list_of_children")
def test_children_and_theirs_are_found_and_ended_all_the_same() -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    assert parent.pid in tree.children(os.getpid())
    assert tree.children(parent.pid) == [child]
    assert {parent.pid, child} <= tree.descendants(os.getpid())
    assert tree.end_tree(parent.pid, include_root=True)

    parent.communicate()
    assert tree.look(child) is None or not tree._living({child})
