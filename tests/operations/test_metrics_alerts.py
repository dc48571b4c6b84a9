"""Alerts that wait, as Prometheus is told of them (OBS-2, OBS-6)."""

import pytest

from console.api import metrics as metrics_api
from console.metrics import known
from shared.celery_app import ALERT
from shared.store import alerts, cadence, gauges
from tests.console.conftest import Api
from tests.operations.test_metrics import read, value
from tests.store.rows import Rows


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_api, "GOOD_FOR_S", -1.0)


def test_alerts_wait_only_where_somebody_ever_sent_one(rows: Rows, api: Api) -> None:
    """Else an alert about alerts is all that whoever wants none would get."""
    alerts.add(rows.sql, "drift", "title", "body")
    cadence.take(rows.sql, ALERT, 0)
    nobody_wants_them = value(read(api), known.ALERTS)

    cadence.finish(rows.sql, ALERT, "ok", {"begun_total": 1})

    assert nobody_wants_them == 0
    assert value(read(api), known.ALERTS) == 1
    assert ALERT == gauges.SENDS_ALERTS
