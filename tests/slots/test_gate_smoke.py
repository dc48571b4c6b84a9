"""The gate and the rows together, on real servers: the way of a firing through the slots."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.admission import Admission, Full
from shared.celery_app import make_app
from shared.settings import Settings, addresses
from shared.store import activity, attempts, firings, limits, settlement
from shared.store.connection import Database
from shared.store.workspaces import add as add_workspace


def by_hand(workspace: UUID, **over) -> firings.ByHand:
    values = dict(
        id=uuid7(),
        schedule_id=None,
        workspace_id=workspace,
        source="adhoc",
        title="t",
        prompt="p",
        target={"kind": "command", "argv": ["true"]},
        priority=5,
        lane=None,
        forced=False,
        max_turns=None,
        max_run_seconds=60,
        max_attempts=1,
        retry_backoff_s=0,
        schedule_revision=None,
    )
    return firings.ByHand(**{**values, **over})


@pytest.fixture
def admission(database_url, redis_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    database = Database(database_url)
    made = Admission(database, addresses(), Settings(), make_app("test"))
    yield made
    made.gate.redis.close()
    made.app.close()
    database.close()


def test_way(admission):
    c = admission.database.connection()
    w = add_workspace(c, dict(name="w", status="online", native_scheduler=False, health_url=None, restart_url=None))
    admission.ask(lambda g: g.renew("w1", 4, 60000, []))
    deed = activity.Deed("run", "me", {})
    fs = [by_hand(w) for _ in range(4)]
    answers = [admission.run_now(f, deed, queue=True) for f in fs]
    assert answers == [None] * 4
    u = admission.ask(lambda g: g.usage())
    assert (u.reserved, u.waiting, u.processes) == (2, 2, 4)
    assert admission.run_now(by_hand(w), deed, queue=False) == Full("fleet", False)
    r = uuid4()
    assert admission.gate.claim(fs[0].id, r, "w1", 60000) == "LEASED"
    a = attempts.claim(c, fs[0].id, r, attempts.Claimer({"id": "w1"}, None, admission.gate.epoch, timedelta(seconds=60)))
    assert isinstance(a, attempts.Attempt), a
    again = attempts.claim(c, fs[0].id, r, attempts.Claimer({"id": "w1"}, None, admission.gate.epoch, timedelta(seconds=60)))
    assert again.token == a.token
    assert [x.token for x in attempts.renew(c, [a.token], timedelta(seconds=60))] == [a.token]
    with c.transaction():
        e = settlement.lock_ending(c, a.token)
        assert settlement.end_attempt(c, e, settlement.Ending("completed", "completed", exit_code=0))
        settlement.add_metrics(
            c,
            e,
            dict(
                turn_count=0,
                event_loop_lag_ms=None,
                peak_rss_mb=None,
                interactive_streams=None,
                failure_reason=None,
            ),
        )
    made = admission.gate.release(fs[0].id, r)
    assert [m.firing for m in made] == [fs[2].id]
    assert [(x.key, x.held) for x in limits.listing(c)] == [("fleet", 0)]
    admission.gate.redis.flushdb()
    admission.fill()
    u = admission.ask(lambda g: g.usage())
    assert (u.reserved, u.waiting, u.processes) == (0, 3, 0)
    admission.ask(lambda g: g.renew("w1", 4, 60000, []))
    assert admission.set_cap("lane:x", 1, "me")
    assert admission.set_cap("fleet", 0, "me")
    assert admission.run_now(by_hand(w, forced=True), deed, queue=False) == Full("fleet", True)
    assert admission.cancel(fs[3].id, "cancelled", deed) == "cancelled"
