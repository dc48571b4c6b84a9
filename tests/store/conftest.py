"""Rows to write with, in a database of the test's own."""

from collections.abc import Iterator

import pytest

from shared.store.connection import connect
from tests.store.rows import Rows, scene


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    with connect(database_url) as sql:
        yield scene(sql)
