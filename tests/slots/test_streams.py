"""The scripts that know who talks right now (SCH-13)."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from shared.pressure import Pressure


@pytest.fixture
def talk(redis_url: str) -> Iterator[Pressure]:
    made = Pressure(redis_url, "streams")
    yield made
    made.close()


def test_streams_are_listed_with_their_workspaces_and_no_more_than_asked(talk: Pressure) -> None:
    here, there = uuid4(), uuid4()
    for name, workspace, ttl_ms in (("a", here, 50_000), ("b", None, 60_000), ("c", there, 70_000)):
        assert talk.hold(name, workspace, ttl_ms)

    assert [(it.id, it.workspace_id) for it in talk.listing()] == [("a", here), ("b", None), ("c", there)]
    assert [it.id for it in talk.listing(2)] == ["a", "b"]
    assert all(0 < it.left_ms <= 70_000 for it in talk.listing())
