"""What runs for real: the fleet, its station, the API, rows to write with, a receiver of alerts."""

from collections.abc import Iterator

import pytest

from tests.console.conftest import api
from tests.process.conftest import fleet, station
from tests.receiver import Receiver, receiving
from tests.store.conftest import rows

__all__ = ["api", "fleet", "rows", "station"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made
