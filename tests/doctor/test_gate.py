"""What the doctor says of the gate: a difference of each kind, made on purpose."""

from dataclasses import replace
from uuid import uuid4

import pytest

from console.doctor import gate, patient
from shared import keys
from shared.answers import Waiter
from shared.store import activity, epoch
from tests.doctor.conftest import Ward
from tests.store.rows import by_hand

HEALS = "slotbeat worker -Q maintenance  # whose reconciler heals it within seconds"
REBUILDS = "slotbeat down  # if it is still so in a minute: and up again, which rebuilds the gate from the rows"


def start(ward: Ward, **over: object) -> str:
    """A firing with its reservation; its id."""
    asked = by_hand(ward.rows.workspace, **over)
    assert ward.admission.run_now(asked, activity.Deed("run", "test", {}), queue=True) is None
    return str(asked.id)


def run(ward: Ward) -> str:
    """A firing that runs, in both stores; its id."""
    asked = by_hand(ward.rows.workspace)
    ward.admission.run_now(asked, activity.Deed("run", "test", {}), queue=False)
    request = uuid4()
    ward.admission.gate.claim(asked.id, request, "w", 60_000)
    ward.rows.claim(asked.id, request)
    return str(asked.id)


def key(ward: Ward, name: str) -> str:
    return f"{keys.gate_root('slotbeat')}:{ward.admission.gate.epoch}:{name}"


def test_both_stores_agree_while_firings_run_and_wait(ward: Ward) -> None:
    """SLT-13."""
    run(ward)
    for _ in range(3):
        start(ward)

    assert ward.one(gate.epoch)[:2] == ("ok", "1 in both")
    assert ward.one(gate.gate) == ("ok", "agrees with the rows", ())


def test_a_gate_that_was_never_filled(ward: Ward) -> None:
    assert ward.one(gate.epoch) == ("warn", "the gate was never filled", ("slotbeat beat", "slotbeat worker"))
    assert ward.told(gate.gate) == []


def test_a_gate_that_lost_its_memory(ward: Ward) -> None:
    start(ward)
    ward.admission.gate.redis.flushdb()

    assert ward.one(gate.epoch) == ("fail", "Postgres is at epoch 1, the gate at none", (HEALS,))
    assert ward.told(gate.gate) == []


def test_a_gate_of_another_epoch(ward: Ward) -> None:
    start(ward)
    with ward.rows.sql.transaction():
        epoch.raise_to(ward.rows.sql, 7, "x")

    assert ward.one(gate.epoch)[:2] == ("fail", "Postgres is at epoch 7, the gate at 1")


def test_another_redis_than_everybody_elses(ward: Ward) -> None:
    start(ward)
    ward.rows.all("update epoch set redis_run_id = 'another' returning number")

    level, words, remedy = ward.one(gate.epoch)

    assert level == "fail"
    assert "another Redis than REDIS_URL names" in words
    assert remedy == (HEALS,)  # nobody named one here, so no name can be wrong


def test_a_redis_url_that_may_be_wrong_is_named_before_a_worker_fills_it(ward: Ward) -> None:
    start(ward)
    ward.environ["REDIS_URL"] = ward.patient.where.redis_url
    ward.rows.all("update epoch set redis_run_id = 'another' returning number")
    same = "export REDIS_URL=  # as where beat and workers run, if they run"

    restarted = ward.one(gate.epoch)[2]
    ward.admission.gate.redis.flushdb()
    empty = ward.one(gate.epoch)[2]

    assert restarted == empty == (same, HEALS)


def test_a_run_that_the_gate_forgot(ward: Ward) -> None:
    firing = run(ward)
    held = uuid4()
    run(ward)  # of whom the gate goes on to know
    ward.admission.gate.redis.hdel(key(ward, "firings"), firing)
    ward.admission.gate.redis.zrem(key(ward, "holders"), firing, str(held))

    told = ward.told(gate.gate)

    assert [(it.level, it.words, it.remedy) for it in told] == [
        ("fail", "1 limits have another usage in the gate: fleet", (HEALS, REBUILDS)),
        ("fail", f"1 run without a lease in the gate: {firing}", (HEALS, REBUILDS)),
    ]


def test_a_firing_that_could_start_and_is_in_no_line(ward: Ward) -> None:
    start(ward)
    forgotten = str(ward.rows.firing())

    assert ward.one(gate.gate) == ("fail", f"1 could start and are unknown to the gate: {forgotten}", (HEALS, REBUILDS))


def test_who_stands_in_no_line_of_the_gate_is_named(ward: Ward) -> None:
    """A key of it was lost, as by a Redis that evicts: the gate knows them, and comes upon nobody."""
    start(ward)
    stranded = ward.rows.firing()
    # No worker: it is not handed over at once.
    ward.admission.offer_again([stranded])
    assert ward.one(gate.gate)[0] == "ok"
    ward.admission.gate.redis.delete(key(ward, f"queue:{ward.rows.workspace}:"))

    words = f"1 could start and stand in no line of the gate: {stranded}"
    assert ward.one(gate.gate) == ("fail", words, (HEALS, REBUILDS))


def test_a_stranger_in_the_line(ward: Ward) -> None:
    start(ward)
    stranger = uuid4()
    ward.admission.gate.offer([Waiter(stranger, ward.rows.workspace, None, 1, 5, False, "?")])

    assert ward.one(gate.gate) == ("fail", f"1 in the gate neither wait nor run: {stranger}", (HEALS, REBUILDS))


def test_a_lease_of_what_does_not_run(ward: Ward) -> None:
    firing = start(ward)
    asked = ward.rows.one("select id from firings")
    ward.admission.gate.claim(asked, uuid4(), "w", 60_000)

    found = {it.words for it in ward.told(gate.gate)}

    assert f"1 are leased in the gate and do not run: {firing}" in found


def test_another_cap_and_a_limit_that_only_one_store_has(ward: Ward) -> None:
    start(ward)
    ward.rows.cap("fleet", 5)
    ward.admission.gate.set_cap("lane:left", 3)

    assert [it.words for it in ward.told(gate.gate)] == [
        "1 limits are in one store only: lane:left",
        "1 limits have another cap in the gate: fleet",
    ]


def test_what_is_seen_only_once_was_under_way(ward: Ward) -> None:
    start(ward)
    forgotten = ward.rows.firing()
    ward.patient.pause = lambda _: ward.admission.offer_again([forgotten])

    assert ward.one(gate.gate)[0] == "ok"


@pytest.fixture
def hasty(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A doctor who does not wait for long."""
    monkeypatch.setattr(patient, "ANSWERS_WITHIN_S", 0.3)
    ward.environ["SLOTBEAT_LEASE_SECONDS"] = "4"
    return ward


def test_a_worker_that_does_not_answer_at_our_broker(hasty: Ward) -> None:
    ward = hasty
    ward.process(node="w1@elsewhere")
    ward.patient.pause = lambda _: ward.rows.all("update processes set seen_at = now() returning id")
    assert ward.one(gate.broker)[2] == ("slotbeat down  # and up again; what its workers said is in worker*.log",)
    ward.environ["REDIS_URL"] = ward.patient.where.redis_url

    level, words, remedy = ward.one(gate.broker)
    assert level == "fail"
    assert words.startswith("w1@elsewhere does not answer at this broker")
    assert remedy == ("export CELERY_BROKER_URL=  # as where that worker runs, and here",)

    ward.environ["CELERY_BROKER_URL"] = ward.patient.where.broker_url
    assert ward.one(gate.broker)[2] == ("unset CELERY_BROKER_URL  # as where that worker runs, and here",)


def test_a_worker_that_died_a_moment_ago_is_no_other_broker(hasty: Ward) -> None:
    ward = hasty
    ward.environ["REDIS_URL"] = ward.patient.where.redis_url
    ward.process(node="w1@here")

    level, words, remedy = ward.one(gate.broker)

    assert (level, remedy) == ("warn", ("slotbeat doctor  # again in a minute: by then it is counted as gone",))
    assert words == "w1@here does not answer and gives no sign: it ended a moment ago, or hangs"


def test_a_gate_that_somebody_else_fills_is_said_to_be_ahead(ward: Ward) -> None:
    start(ward)
    ward.rows.all("update epoch set number = 0 returning number")

    level, words, _ = ward.one(gate.epoch)

    assert level == "fail"
    assert words == "Postgres is at epoch 0, the gate at 1: another system fills it, or the rows are of a backup"


def test_what_no_reconciler_heals_is_healed_by_the_remedy_below(ward: Ward) -> None:
    """A usage that nobody knows of; and messages and what runs are left alone, as by no flush."""
    ward.admission.ask(lambda it: it.usage())
    ward.environ["REDIS_URL"] = ward.patient.where.redis_url
    ward.admission.set_cap("lane:gpu", 1, "test")
    redis = ward.admission.gate.redis
    redis.sadd(key(ward, "used:lane:gpu"), str(uuid4()))
    level, words, remedy = ward.one(gate.gate)
    command, _, name = remedy[1].partition("  #")[0].rpartition(" ")

    redis.delete(name.strip("'"))
    ward.admission.ask(lambda it: it.usage())

    assert (level, words) == ("fail", "1 limits have another usage in the gate: lane:gpu")
    assert command == 'redis-cli -u "$REDIS_URL" del'
    assert ward.one(gate.gate)[0] == "ok"


def test_a_gate_of_another_version_is_named_and_left_as_it_is(ward: Ward) -> None:
    start(ward)
    ward.environ["REDIS_URL"] = ward.patient.where.redis_url
    ward.admission.gate.redis.delete(key(ward, "holders"))
    ward.admission.gate.redis.set(key(ward, "holders"), "x")

    level, words, remedy = ward.one(gate.gate)

    assert (level, words.split(":")[0]) == ("fail", "holds what this version cannot read")
    assert remedy[1].startswith('redis-cli -u "$REDIS_URL" del')
    assert ward.one(gate.epoch)[0] == "ok"


def test_a_broker_of_its_own_is_said_to_be_one(ward: Ward, redis_url: str) -> None:
    assert ward.one(gate.broker)[1] == "the same server as the gate"
    ward.patient.where = replace(ward.patient.where, broker_url=redis_url.rpartition("/")[0] + "/62")

    assert ward.one(gate.broker)[1] == "the same server as the gate, by another address"
