"""Every metric has its name where nothing was counted yet: who writes a query or an alert finds it."""

from console.metrics import known
from tests.console.conftest import Api


def test_every_metric_is_named_before_anything_is_counted(api: Api) -> None:
    told = api.client.get("/metrics").text

    assert [it.shown for it in known.ALL if f"# TYPE {it.shown} {it.kind}\n" not in told] == []
