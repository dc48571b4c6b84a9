"""People, beat and changes of a cap reach for the same slots at once (SLT-1, SLT-3, MAN-1, MAN-4)."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from beat.due import tick
from shared.clock import now
from shared.settings import Settings
from shared.store import limits
from shared.store.activity import Deed
from shared.store.connection import connect
from shared.store.invariants import broken
from tests.slots.both import Both
from tests.store.rows import Rows
from tests.waiting import until

ROUNDS = 12


@pytest.fixture
def threads(both: Both) -> Iterator[ThreadPoolExecutor]:
    """Four at once; each thread's connection ends with it."""
    with ThreadPoolExecutor(4) as pool:
        yield pool
        barrier = threading.Barrier(4)
        for done in [pool.submit(lambda: (barrier.wait(), both.admission.database.close())) for _ in range(4)]:
            done.result()


def at_once(pool: ThreadPoolExecutor, *acts: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(len(acts))

    def act(each: Callable[[], Any]) -> Any:
        barrier.wait()
        return each()

    return [it.result() for it in [pool.submit(act, each) for each in acts]]


def finish_all(both: Both, cap: int) -> None:
    """Claims and ends whatever has a reservation, until nobody waits; never more than the cap at once."""
    while waiting := both.rows.all("select id from firings where status = 'queued' order by line_no"):
        held = [id_ for (id_,) in waiting if both.states(id_) == ["reserved"]]
        assert 0 < len(held) <= cap
        for attempt in [both.claim(id_) for id_ in held]:
            both.settle(attempt)


def test_a_run_now_and_a_tick_share_one_slot_and_neither_is_lost(both: Both, threads: ThreadPoolExecutor) -> None:
    both.rows.cap("fleet", 1)
    both.admission.tell_cap("fleet")
    by_hand = 0

    for _ in range(ROUNDS):
        both.rows.schedule(cron="0 0 31 12 *", next_run_at=now())
        refused, _ = at_once(threads, both.run_now, lambda: tick(both.admission, Settings()))
        by_hand += refused is None
        assert both.admission.ask(lambda gate: gate.usage()).reserved == 1
        finish_all(both, 1)

    assert both.rows.all("select source, count(*)::int from firings group by source order by source") == [
        *([("adhoc", by_hand)] if by_hand else []),
        ("scheduled", ROUNDS),
    ]
    assert not broken(both.rows.sql)
    assert both.agree()


def test_a_cap_that_changes_while_people_ask_is_kept_by_both_stores(both: Both, threads: ThreadPoolExecutor) -> None:
    def change(cap: int) -> Callable[[], object]:
        return lambda: both.admission.set_cap("fleet", cap, "test")

    for round_ in range(ROUNDS):
        both.admission.set_cap("fleet", 3, "test")
        at_once(threads, both.run_now, change(round_ % 3), both.run_now, change(2))
        cap = limits.caps(both.rows.sql)["fleet"]
        told = {it.limit: it.cap for it in both.admission.ask(lambda gate: gate.usage()).limits}
        assert told == {"fleet": cap}
        both.admission.set_cap("fleet", 2, "test")
        finish_all(both, 2)

    assert not broken(both.rows.sql)
    assert both.agree()


def test_a_firing_that_goes_back_in_line_while_it_is_cancelled_is_cancelled(
    both: Both, threads: ThreadPoolExecutor, database_url: str
) -> None:
    attempt = both.claim(both.offered(max_attempts=2))
    waits = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

    with connect(database_url) as sql:
        worker = Rows(sql, both.rows.workspace)
        with sql.transaction():
            worker.settle(attempt.token, "queued")
            deed = Deed("firing_cancelled", "me", {}, firing=attempt.firing_id)
            told = threads.submit(both.admission.cancel, attempt.firing_id, "cancelled", deed)
            until(lambda: both.rows.all(waits))

    assert told.result() == "cancelled"
    assert both.rows.one("select status from firings where id = %s", attempt.firing_id) == "cancelled"
    assert both.rows.one("select count(*) from activity_logs where type = 'firing_cancelled'") == 1
    both.give_back(attempt.firing_id, attempt.request_id)
    assert not broken(both.rows.sql)
    assert both.agree()
