"""The next claim goes along with a settle: one transaction, and whatever breaks it, each firing runs once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from redis import Redis

from shared.celery_app import FIRINGS
from shared.store import attempts
from shared.store.connection import Database, Postgres
from shared.store.invariants import broken
from tests.process.conftest import Fleet
from tests.process.test_following import broker, in_line, statuses
from workers import chain, claim, reconcile, settle
from workers.chain import execute
from workers.claim import Claimed
from workers.keeper import Keeper
from workers.relay import Relay
from workers.station import Station

__all__ = ["broker"]


def each_ran_once(fleet: Fleet) -> None:
    ran = fleet.rows(
        "select f.title, f.status, f.attempt_count, a.number from firings f join attempts a"
        " on a.firing_id = f.id order by f.title"
    )
    assert ran == [("a", "completed", 1, 1), ("b", "completed", 1, 1)]
    assert not broken(fleet.database.connection())
    usage = fleet.admission.ask(lambda gate: gate.usage())
    assert (usage.limits[0].used, usage.waiting, usage.reserved) == (0, 0, 0)


def test_the_next_is_claimed_in_the_transaction_that_ends_the_first(
    fleet: Fleet, station: Station, broker: Redis
) -> None:
    first, *_ = in_line(fleet, "a", "b")

    execute(station, first, "celery-1")

    [(ended, claimed)] = fleet.rows(
        "select (select ended_at from attempts a join firings f on f.id = a.firing_id where title = 'a'),"
        " (select claimed_at from attempts a join firings f on f.id = a.firing_id where title = 'b')"
    )
    assert ended == claimed, "the time of one transaction"
    each_ran_once(fleet)


def test_a_failure_is_settled_before_its_slot_is_given_on(fleet: Fleet, station: Station, broker: Redis) -> None:
    """It may be tried again, or trip its class, and who is next depends on it."""
    first, *_ = in_line(fleet, "a", "b")
    fleet.database.connection().execute(
        "update firings set target = jsonb_set(target, '{argv}', '[\"false\"]') where id = %s", [first]
    )

    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "failed"), ("b", "completed")]
    [(ended, claimed)] = fleet.rows("select min(ended_at), max(claimed_at) from attempts")
    assert ended < claimed


@pytest.mark.parametrize("is_applied", [True, False])
def test_a_settle_whose_answer_is_lost_loses_neither_firing(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch, is_applied: bool
) -> None:
    """SLT-5: whether Postgres had applied it or not, the same request finds what it claimed, or claims."""
    first, *_ = in_line(fleet, "a", "b")
    really, broke = settle.sent_together, list[str]()

    @contextmanager
    def breaks_once(*given: Any) -> Iterator[None]:
        with really(*given):
            yield
            if not broke and not is_applied:
                broke.append("before the commit")
                raise psycopg.OperationalError("server closed the connection unexpectedly")
        if not broke:
            broke.append("after it")
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(settle, "sent_together", breaks_once)
    execute(station, first, "celery-1")

    assert broke == ["after it" if is_applied else "before the commit"]
    each_ran_once(fleet)
    assert broker.llen(FIRINGS) == 1


def test_what_postgres_refuses_leaves_the_settle_as_it_is(fleet: Fleet, station: Station, broker: Redis) -> None:
    """The gate believes that it waits; rows know better, and the one behind it is next."""
    first, second, _ = in_line(fleet, "a", "b", "c")
    fleet.database.connection().execute(
        "update firings set status = 'cancelled', finished_at = now() where id = %s", [second]
    )

    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "cancelled"), ("c", "queued")]
    assert [it.state for it in fleet.admission.ask(lambda gate: gate.states([second]))] == [""]
    assert broker.llen(FIRINGS) == 2, "the one behind it has its message"


def test_a_claim_that_goes_wrong_costs_the_settle_nothing(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one transaction both are undone; the settle is made again alone, then the claim by itself."""
    first, *_ = in_line(fleet, "a", "b")
    asked: list[UUID] = []

    def goes_wrong(connection: Postgres, *given: Any) -> Any:
        asked.append(given[0])
        return connection.execute("select 1 / 0")

    monkeypatch.setattr(attempts, "ask_along", goes_wrong)
    execute(station, first, "celery-1")

    assert len(asked) == 1
    each_ran_once(fleet)


def test_a_claim_along_with_a_settle_waits_for_nobody(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who holds what it wants may want what the settle holds: it is asked again when that is committed."""
    first, second, *_ = in_line(fleet, "a", "b")
    really, said = attempts.answered, list[Any]()

    def hears(question: attempts.Question) -> Any:
        said.append(really(question))
        if said[-1] is None:
            assert statuses(fleet)[0] == ("a", "completed")
            other.execute("rollback")
        return said[-1]

    monkeypatch.setattr(attempts, "answered", hears)
    with Database(fleet.database.url).connection() as other:
        other.execute("begin")
        other.execute("select from firings where id = %s for update", [second])
        execute(station, first, "celery-1")

    assert [None if it is None else it.title for it in said] == ["a", None, "b"]
    each_ran_once(fleet)


def test_deadlines_of_the_next_count_from_before_the_settle_was_sent(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres's time is that of the transaction's begin, and a guard must not believe in a later one."""
    first, *_ = in_line(fleet, "a", "b")
    claimed, begun = list[Claimed | None](), list[float]()
    really, begin = chain.claim, Relay.begin

    def claims(*given: Any) -> Claimed | None:
        claimed.append(really(*given))
        return claimed[-1]

    def begins(relay: Relay) -> None:
        begin(relay)
        begun.append(relay._asked_at)

    monkeypatch.setattr(chain, "claim", claims)
    monkeypatch.setattr(Relay, "begin", begins)
    execute(station, first, "celery-1")

    assert [it and it.asked_at for it in claimed[1:]] == [begun[0]]


def test_a_worker_that_dies_between_gate_and_commit_takes_nothing_with_it(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SLT-7: the first has its exit and runs in rows alone; the second is leased to a request that nobody knows."""
    first, second = in_line(fleet, "a", "b")
    dies_at_its_second(monkeypatch)
    with pytest.raises(SystemExit):
        execute(station, first, "celery-1")

    gate = station.admission.gate
    assert fleet.rows("select f.status, a.exit_code from firings f join attempts a on a.firing_id = f.id") == [
        ("running", 0)
    ]
    assert [it.state for it in gate.states([first, second])] == ["", "leased"]
    station.settings = replace(station.settings, reconcile_every_s=0.001)
    gate.now_ms = 1000 * int(fleet.rows("select extract(epoch from now()) + 7")[0][0])
    found = reconcile.sweep(station)

    assert found["claim_lost_total"] == 1
    assert [it.state for it in gate.states([first])] == ["leased"], "rows say that it runs"
    gate.now_ms = None


def dies_at_its_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed as it asks Postgres for the next one."""

    def killed(*_: Any) -> Any:
        raise SystemExit("killed")

    monkeypatch.setattr(attempts, "ask_along", killed)


def test_postgres_has_its_timeout_for_a_worker_that_freezes_at_the_gate(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a server that is not told Sync its client is at work; and rows that others want are not held there."""
    first, *_ = in_line(fleet, "a", "b")
    really, seen = Relay.sure, list[tuple[str, int]]()

    def looks(relay: Relay) -> None:
        with psycopg.connect(fleet.environment["DATABASE_URL"]) as other:
            pid = station.database.connection().info.backend_pid
            held = "select state from pg_stat_activity where pid = %s"
            [(state,)] = other.execute(held, [pid]).fetchall()
            seen.append((state, len(other.execute("select from slots for update skip locked").fetchall())))
        really(relay)

    monkeypatch.setattr(Relay, "sure", looks)
    execute(station, first, "celery-1")

    assert seen == [("idle in transaction", 1)] * 2


def test_a_gate_that_lost_its_memory_does_not_hold_up_a_settle(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = in_line(fleet, "a", "b")
    monkeypatch.setattr(Relay, "begin", lambda _: station.admission.gate.redis.flushdb())

    execute(station, first, "celery-1")

    assert statuses(fleet) == [("a", "completed"), ("b", "queued")]
    assert [it.state for it in station.admission.gate.states([first, second])] == ["", "waiting"]


def test_who_finds_a_slot_that_a_settle_is_about_to_free_asks_again(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate may be a commit ahead of the rows; told that it is wrong it would give nothing away for a second."""
    [first] = in_line(fleet, "a")
    with psycopg.connect(fleet.environment["DATABASE_URL"]) as settling:
        settling.execute("select from slots for update")
        monkeypatch.setattr(claim, "time", SimpleNamespace(sleep=lambda _: settling.commit()))

        assert execute(station, first, "celery-1") == "completed"


ComesRound = Callable[[Station, attempts.Attempt], None]


def by_keeper(station: Station, ended: attempts.Attempt) -> None:
    """The end of a round: it has renewed the attempt a moment before its settle began."""
    ward, keeper = SimpleNamespace(firing=ended.firing_id, request=ended.request_id), Keeper(station, lambda: 4)
    keeper._tell_gate([cast("Any", ward)], 60_000)
    keeper._wards.close()


def by_reconciler(station: Station, _: attempts.Attempt) -> None:
    one = reconcile.Pass(station, ())
    one.heal()
    assert not one.counts


@pytest.mark.parametrize("comes_round", [by_keeper, by_reconciler])
def test_a_firing_that_is_ending_is_not_given_its_seat_again(
    fleet: Fleet, station: Station, broker: Redis, monkeypatch: pytest.MonkeyPatch, comes_round: ComesRound
) -> None:
    """Between `sure` and the commit the gate does not know it, and rows say that it runs."""
    [first] = in_line(fleet, "a")
    really, errors = Relay.along, list[BaseException | None]()

    def along(relay: Relay, connection: Postgres) -> None:
        with ThreadPoolExecutor(1) as beside:
            errors.append(beside.submit(comes_round, station, relay._ended).exception())
            beside.submit(station.database.close).result()
        really(relay, connection)

    monkeypatch.setattr(Relay, "along", along)
    execute(station, first, "celery-1")

    assert (errors, statuses(fleet)) == ([None], [("a", "completed")])
    assert fleet.admission.ask(lambda gate: gate.usage()).limits[0].used == 0


def test_a_firing_with_a_success_check_hands_on_along_with_its_settle_too(
    fleet: Fleet, station: Station, broker: Redis
) -> None:
    first, *_ = in_line(fleet, "a", "b")
    fleet.database.connection().execute('update firings set success_check = \'{"argv": ["true"]}\'')

    execute(station, first, "celery-1")

    [(ended, claimed)] = fleet.rows("select min(ended_at), max(claimed_at) from attempts")
    assert ended == claimed
