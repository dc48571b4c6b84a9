"""What runs for real: the fleet, its station, the API, rows to write with."""

from tests.console.conftest import api
from tests.process.conftest import fleet, station
from tests.store.conftest import rows

__all__ = ["api", "fleet", "rows", "station"]
