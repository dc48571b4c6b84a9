"""What Prometheus reads: what it says is so, stays so when rows go, and is in the docs (OBS-2, REA-11)."""

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from redis import Redis

from console.api import metrics as metrics_api
from console.metrics import known
from console.metrics.gather import MOST_SERIES
from shared.celery_app import REAP
from shared.store import cadence, tallies
from shared.store.connection import connect
from tests.console.conftest import Api, api_at
from tests.store.rows import Rows, scene

DOC = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
TABLE = re.compile(r"(?<=tests\.operations\.test_metrics` -->\n).*?(?=<!-- end of metrics -->)", re.DOTALL)
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_api, "GOOD_FOR_S", -1.0)


def read(api: Api) -> Samples:
    """Every sample by its name and labels."""
    text = api.ask("GET", "/metrics").text
    return {
        (it.name, tuple(sorted(it.labels.items()))): it.value for family in parse_text(text) for it in family.samples
    }


def value(found: Samples, metric: known.Metric, **labels: str) -> float | None:
    return found.get((metric.shown, tuple(sorted(labels.items()))))


def fold(rows: Rows) -> None:
    assert any(tallies.fold(rows.sql, 1000))


@pytest.fixture
def told(rows: Rows, api: Api) -> Rows:
    """Two firings that completed, one that failed, one that was cancelled in line, and four skips."""
    schedule = rows.schedule()
    for _ in range(2):
        finish(rows, rows.running().token, wait_ms=300, ran_ms=2000)
    finish(rows, rows.running().token, "failed", wait_ms=70_000, ran_ms=4_000_000)
    rows.sql.execute("update firings set status = 'cancelled', finished_at = now() where id = %s", [rows.firing()])
    rows.sql.execute(
        "insert into skips (id, schedule_id, first_at, last_at, count, reason)"
        " values (gen_random_uuid(), %s, now() - interval '9 days', now() - interval '8 days', 4, 'overlap')",
        [schedule],
    )
    return rows


def finish(rows: Rows, token: int, status: str = "completed", *, wait_ms: int, ran_ms: int) -> None:
    """Ends a firing with its metrics row, as a settle does."""
    rows.settle(token, status)
    rows.sql.execute(
        "insert into schedule_firing_metrics (firing_id, workspace_id, fired_at, slot_claimed_at, completed_at,"
        " slot_wait_ms, duration_ms, failure_reason)"
        " select id, workspace_id, nominal_at, started_at, finished_at, %s, %s, failure_reason"
        "   from firings where token = %s",
        [wait_ms, ran_ms, token],
    )


@pytest.mark.parametrize("parse", [parse_openmetrics, parse_text], ids=["openmetrics", "text"])
def test_it_is_what_prometheus_reads_and_every_family_is_known_with_its_labels(
    parse: Any, told: Rows, api: Api
) -> None:
    headers = OPENMETRICS if parse is parse_openmetrics else {}
    answer = api.ask("GET", "/metrics", headers=headers)

    assert answer.status_code == 200
    assert ("openmetrics" in answer.headers["content-type"]) == (parse is parse_openmetrics)
    types = {it.name: it.kind for it in known.ALL}
    labels = {it.name: set(it.labels) for it in known.ALL}
    for family in parse(answer.text):
        name = family.name if family.name in types else family.name.removesuffix("_total")
        assert family.type == types[name]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == labels[name], sample


def test_what_ended_is_counted_by_its_outcome_and_reason_whether_folded_or_not(told: Rows, api: Api) -> None:
    assert value(read(api), known.EPOCH) == 0  # who reads has the gate filled
    before = read(api)
    fold(told)
    after = read(api)

    assert value(after, known.EPOCH) == 1
    assert {it: n for it, n in before.items() if "timestamp" not in it[0]}.items() <= after.items()
    assert value(after, known.FIRINGS, outcome="completed", reason="") == 2
    assert value(after, known.FIRINGS, outcome="failed", reason="oom") == 1
    assert value(after, known.FIRINGS, outcome="cancelled", reason="") == 1
    assert value(after, known.SKIPS, reason="overlap") == 4


def test_counters_and_histograms_stay_when_the_rows_are_deleted(told: Rows, api: Api) -> None:
    before = read(api)
    fold(told)
    told.sql.execute("delete from schedule_firing_metrics")
    told.sql.execute("delete from firings")
    told.sql.execute("delete from skips")

    after = read(api)

    kept = [it.name for it in known.ALL if it.kind == "histogram"] + ["slotbeat_firings_total", "slotbeat_skips_total"]
    of_rows = {it: n for it, n in before.items() if it[0].startswith(tuple(kept))}
    assert len(of_rows) > 50
    assert of_rows.items() <= after.items()


def test_each_bound_of_a_histogram_is_its_own(rows: Rows) -> None:
    bounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600]

    told = [rows.one("select bucket_of(%s::float8)", value) for it in bounds for value in (it, it * 1.001)]

    names = [f"{it:g}" for it in bounds] + ["+Inf"]
    assert told == [name for pair in pairwise(names) for name in pair]


def test_a_fold_takes_what_there_is_a_batch_at_a_time_and_nothing_twice(told: Rows, api: Api) -> None:
    before = read(api)

    while any(tallies.fold(told.sql, 1)):
        assert value(read(api), known.FIRINGS, outcome="completed", reason="") == 2

    assert tallies.fold(told.sql, 1000) == (0, 0)
    assert {it: n for it, n in read(api).items() if "_bucket" in it[0]} == {
        it: n for it, n in before.items() if "_bucket" in it[0]
    }


def test_a_histogram_is_cumulative_and_sums_in_seconds(told: Rows, api: Api) -> None:
    found = read(api)

    def bucket(metric: known.Metric, le: str) -> float:
        return found[f"{metric.name}_bucket", (("le", le),)]

    assert [bucket(known.SLOT_WAIT, le) for le in ("0.25", "0.5", "60.0", "120.0", "+Inf")] == [0, 2, 2, 3, 3]
    assert [bucket(known.DURATION, le) for le in ("1.0", "2.5", "3600.0", "+Inf")] == [0, 2, 2, 3]
    assert found["slotbeat_slot_wait_seconds_sum", ()] == pytest.approx(70.6)
    assert found["slotbeat_slot_wait_seconds_count", ()] == 3
    assert bucket(known.LAG, "+Inf") == 0, "nobody was due: they were asked for by hand"


def test_the_bounds_of_postgres_are_those_of_the_code(rows: Rows) -> None:
    bounds = [f"{it:g}" for it in tallies.BUCKETS[:-1]]

    told = rows.all("select bucket_of(x::float8), bucket_of(x::float8 + 0.0001) from unnest(%s::text[]) as x", bounds)

    assert told == list(zip(bounds, [*bounds[1:], "+Inf"], strict=True))


def test_limits_processes_and_upkeep_are_told(rows: Rows, api: Api) -> None:
    rows.cap("fleet", 3)
    running = rows.running()
    rows.sql.execute(
        "insert into processes (id, kind, node, boot_id, pid, pid_start, capacity, facts) values"
        " ('1', 'worker', 'w1@here', '', 1, 1, 3, '{\"leases\": 1, \"lag_ms\": 12, \"wall_clock\": 0}'),"
        " ('2', 'beat', 'beat@here', '', 2, 1, 0, '{}')"
    )
    cadence.take(rows.sql, REAP, 0)
    cadence.finish(rows.sql, REAP, "failed", {"worker_lost_total": 2})
    rows.sql.execute("insert into activity_logs (type, actor) values ('reaped', 'reaper')")

    found = read(api)

    fleet = {"limit": "fleet"}
    assert [value(found, it, **fleet) for it in (known.CAP, known.USED)] == [3, 1]
    assert [value(found, it) for it in (known.RUNNING, known.BEATS, known.WORKERS, known.PAUSED)] == [1, 1, 1, 0]
    assert value(found, known.KEEPER_LAG, worker="w1@here") == pytest.approx(0.012)
    assert value(found, known.REAPED, verdict="worker_lost") == 2
    assert value(found, known.REAPED, verdict="requeued") == 0  # an increase is seen from something that was there
    assert value(found, known.TASK_FAILED, task=REAP) == 1
    now = rows.one("select extract(epoch from now())::float8")
    assert value(found, known.CLOCK, worker="w1@here") == pytest.approx(-now, abs=60)
    moments = [
        value(found, known.TASK_RAN, task=REAP),
        value(found, known.RENEWED, worker="w1@here"),
        value(found, known.BEAT_TICK),
        value(found, known.REAPED_AT),
    ]
    assert all(it is not None and abs(now - it) < 60 for it in moments), moments
    assert running.token


def test_the_line_is_told_before_each_limit_that_it_waits_for(api: Api) -> None:
    workspace = api.workspace()
    api.ask("PUT", "/api/limits/lane:gpu", json={"cap": 1})
    api.ask("PUT", f"/api/limits/workspace:{workspace}", json={"cap": 1})
    api.fill(api.workspace("other"))
    for lane in ("gpu", "gpu", None):
        asked = {"workspace_id": workspace, "target": {"kind": "command", "argv": ["true"]}, "lane": lane}
        assert api.ask("POST", "/api/firings?queue=true", json=asked).status_code == 202

    found = read(api)

    waits = {name: value(found, known.WAITING, limit=name) for name in ("fleet", "lane:gpu", f"workspace:{workspace}")}
    assert waits == {"fleet": 3, "lane:gpu": 2, f"workspace:{workspace}": 3}
    assert [value(found, known.REACHABLE, server=it) for it in ("postgres", "redis")] == [1, 1]


def test_there_are_only_so_many_series_however_many_limits_there_are(rows: Rows, api: Api) -> None:
    for number in range(MOST_SERIES + 10):
        rows.cap(f"lane:{number:04}", 1)

    found = read(api)

    assert sum(name == known.CAP.shown for name, _ in found) == MOST_SERIES
    assert value(found, known.CAP, limit="fleet") == 2
    assert value(found, known.LEFT_OUT) == 11


def test_a_server_that_is_away_is_told_and_what_the_other_knows_too(database_url: str, redis_url: str) -> None:
    with api_at(database_url, "redis://127.0.0.1:1/0") as api:
        found = read(api)
        assert [value(found, known.REACHABLE, server=it) for it in ("postgres", "redis")] == [1, 0]
        assert value(found, known.CAP, limit="fleet") == 2
    with api_at("postgresql://nobody@127.0.0.1:1/none", redis_url) as api:
        found = read(api)
        assert value(found, known.REACHABLE, server="postgres") == 0


def test_however_many_ask_the_rows_are_looked_at_every_two_seconds(
    told: Rows, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_api, "GOOD_FOR_S", 3600.0)
    before = read(api)

    finish(told, told.running().token, wait_ms=1, ran_ms=1)

    assert read(api) == before


def test_nothing_reads_history(database_url: str, redis_url: str) -> None:
    """After a fold the counters are a few rows, whatever is in the tables that they came from."""
    with connect(database_url) as sql:
        rows = scene(sql)
        rows.sql.execute(
            "with born as (insert into firings (id, workspace_id, source, nominal_at, title, target, max_run_seconds)"
            " select gen_random_uuid(), %s, 'adhoc', now(), 't', '{}', 9 from generate_series(1, 5000) returning id)"
            " select count(*) from born",
            [rows.workspace],
        )
        rows.sql.execute("update firings set status = 'cancelled', finished_at = now()")
        while any(tallies.fold(rows.sql, 1000)):
            pass
        rows.sql.execute("vacuum analyze")

        plan = "\n".join(line for (line,) in rows.all("explain (analyze, timing off) select * from counted"))

    assert "metrics_uncounted" in plan
    assert not re.search(r"Seq Scan on (?:firings|schedule_firing_metrics)", plan)
    with Redis.from_url(redis_url) as broker:
        assert broker.ping()


# What docs/metrics.md says --------------------------------------------------------------------------


def table() -> str:
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for it in known.ALL:
        labels = ", ".join(f"`{label}`" for label in it.labels)
        lines.append(f"| `{it.shown}` | {it.kind} | {labels} | {it.meaning} |")
    return "\n".join(lines) + "\n"


def test_the_docs_have_every_metric_as_the_code_has_it() -> None:
    found = TABLE.search(DOC.read_text("utf-8"))

    assert found is not None
    assert found[0] == table(), "write it again with `.venv/bin/python -m tests.operations.test_metrics`"


def test_names_are_as_prometheus_wants_them() -> None:
    for it in known.ALL:
        assert re.fullmatch(r"slotbeat_[a-z][a-z0-9_]*[a-z0-9]", it.name)
        assert not it.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        assert it.kind != "histogram" or it.name.endswith("_seconds")
    assert len({it.name for it in known.ALL}) == len(known.ALL)


if __name__ == "__main__":
    DOC.write_text(TABLE.sub(lambda _: table(), DOC.read_text("utf-8")), "utf-8")
    sys.exit(0)
