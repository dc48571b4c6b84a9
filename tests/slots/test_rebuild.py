"""A gate that is built again from the rows: once, whole, and under a number of its own (SLT-5)."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared import admission, keys
from shared.answers import Unreadable, Unseeded
from shared.gate import Gate
from shared.store import epoch, processes
from shared.store.connection import Database
from tests.slots.both import Both
from tests.waiting import until


def test_every_rebuild_has_an_epoch_above_all_before_it(both: Both) -> None:
    epochs = [both.admission.gate.epoch]

    for _ in range(3):
        both.admission.gate.redis.flushdb()
        both.admission.fill()
        epochs.append(both.admission.gate.epoch)

    assert epochs == sorted(set(epochs))
    assert both.rows.one("select number from epoch") == epochs[-1] == both.admission.gate.current_epoch()


def test_a_rebuild_leaves_no_key_of_an_epoch_before_it(both: Both) -> None:
    both.offered()
    client = both.admission.gate.redis
    client.delete("{slotbeat}:epoch")

    both.admission.fill()

    number = both.admission.gate.epoch
    assert {name.decode().split(":")[1] for name in client.scan_iter("{slotbeat}:[0-9]*")} == {str(number)}


def test_a_replica_that_took_over_with_the_same_epoch_is_rebuilt(both: Both) -> None:
    before = both.admission.gate.epoch
    both.rows.sql.execute("update epoch set redis_run_id = 'another'")

    both.admission.make_whole()

    assert both.admission.gate.epoch == before + 1


def test_two_who_see_the_gate_empty_rebuild_it_once(both: Both) -> None:
    before = both.admission.gate.epoch
    both.admission.gate.redis.flushdb()
    both.admission.make_whole()

    both.admission.gate.epoch = before
    both.admission.make_whole()

    assert both.admission.gate.epoch == before + 1


def test_two_rebuilds_never_share_an_epoch(both: Both, database_url: str) -> None:
    """One that lost its lock, frozen in mid-rebuild, comes back while the next one loads."""
    frozen, gate = Database(database_url), both.admission.gate
    with frozen.connection().transaction(force_rollback=True):
        number = epoch.draw(frozen.connection(), gate.epoch)
    frozen.close()
    gate.redis.flushdb()
    both.admission.make_whole()
    both.worker_signs()
    firing, stood = both.offered(), gate.epoch

    assert both.admission._load(both.rows.sql, number) is False

    assert number < stood == gate.current_epoch()
    assert both.states(firing) == ["reserved"]


def test_a_gate_that_forgets_while_it_is_rebuilt_loses_no_waiter(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """FLUSHALL between two parts: the last part alone would look whole."""
    line, gate = [both.offered() for _ in range(6)], both.admission.gate
    monkeypatch.setattr(admission, "_BATCH", 2)
    load, parts = gate.load, []

    def load_and_forget(epoch: int, **part: Any) -> bool:
        parts.append(epoch)
        told = load(epoch, **part)
        if len(parts) == 2:
            gate.redis.flushdb()
        return told

    monkeypatch.setattr(gate, "load", load_and_forget)
    gate.redis.flushdb()
    both.admission.make_whole()
    both.worker_signs()

    assert len(set(parts)) == 2
    assert all(both.states(*line))


def test_a_rebuild_is_above_a_gate_that_is_ahead_of_its_rows_and_knows_the_workers(both: Both) -> None:
    """Postgres was restored from a backup."""
    gate = both.admission.gate
    for name, kind, capacity in (("w1", "worker", 7), ("b1", "beat", 99)):
        about = {"id": name, "kind": kind, "node": name, "boot_id": "", "pid": 1, "pid_start": 1, "capacity": capacity}
        processes.sign(both.rows.sql, about)
    gate.redis.set(keys.epoch_key(gate.namespace), 50)

    both.admission.make_whole()

    assert gate.epoch == gate.current_epoch() == 51
    assert both.admission.ask(lambda it: it.usage()).processes == 7


def test_a_rebuild_whose_last_answer_is_lost_is_done_all_the_same(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, the gate refuses the number, for it is the current one by then."""
    gate = both.admission.gate
    load = gate.load
    monkeypatch.setattr(gate, "load", lambda epoch, **part: load(epoch, **part) and not part.get("done"))
    before = gate.epoch
    gate.redis.flushdb()

    both.admission.make_whole()

    assert gate.epoch == gate.current_epoch() == before + 1


def test_a_gate_that_forgets_again_and_again_is_an_error_and_no_endless_loop(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = both.admission.gate
    monkeypatch.setattr(gate, "load", lambda *_, **__: gate.redis.flushdb() and False)
    gate.redis.flushdb()

    with pytest.raises(Unseeded, match="3 times"):
        both.admission.make_whole()


@pytest.mark.parametrize("name", ["reserved", "holders", "workers", "capacity", "caps", "firings"])
def test_a_gate_that_another_version_filled_is_built_again_by_whoever_meets_it(both: Both, name: str) -> None:
    """A key of another type than here: nothing started any more, and nobody healed it."""
    both.admission.set_cap("fleet", 2, "test")
    both.worker_signs()
    line = [both.offered() for _ in range(3)]
    both.claim(line[0])
    gate = both.admission.gate
    before, key = gate.epoch, f"{{slotbeat}}:{gate.epoch}:{name}"
    was_set = gate.redis.type(key) == b"set"
    gate.redis.delete(key)
    gate.redis.zadd(key, {"x": 1}) if was_set else gate.redis.sadd(key, "x")

    both.admission.fill()
    both.states(*line)
    both.worker_signs()

    assert gate.epoch == before + 1
    assert both.states(*line) == ["leased", "reserved", "waiting"]


def firings_key(both: Both) -> str:
    return keys.firings_key("slotbeat", both.admission.gate.epoch)


def line_of_three(both: Both) -> list[UUID]:
    """One that is leased, one that is reserved, one that waits."""
    line = [both.offered() for _ in range(3)]
    both.claim(line[0])
    assert both.states(*line) == ["leased", "reserved", "waiting"]
    return line


def test_a_gate_that_lost_all_that_it_knew_of_firings_is_built_again_by_the_reconcilers_first_question(
    both: Both,
) -> None:
    """That key was evicted, or is of an older form: who holds is still counted, and nobody knows who it is."""
    line, before = line_of_three(both), both.admission.gate.epoch
    both.admission.gate.redis.delete(firings_key(both))

    assert both.admission.ask(lambda it: it.expired(9)) == []

    assert both.admission.gate.epoch == before + 1
    both.worker_signs()
    assert both.states(*line) == ["leased", "reserved", "waiting"]


def test_what_is_packed_otherwise_is_not_readable(both: Both) -> None:
    """As another version may have written it: whoever comes upon it has the gate built again."""
    line, before = line_of_three(both), both.admission.gate.epoch
    both.admission.gate.redis.hset(firings_key(both), str(line[2]), b"\xc1")

    both.admission.set_cap("fleet", 3, "test")

    assert both.admission.gate.epoch == before + 1
    both.worker_signs()
    assert both.states(*line) == ["leased", "reserved", "reserved"]


def test_what_another_thread_has_healed_meanwhile_is_not_lost_again(both: Both) -> None:
    before = both.admission.gate.epoch
    said: list[str] = []

    def asked(gate: Gate) -> str:
        if not said:
            said.append("once")
            both.admission.gate.redis.flushdb()
            both.admission.make_whole()
            raise Unreadable("as of the epoch before")
        return "whole"

    assert both.admission.ask(asked) == "whole"

    assert both.admission.gate.current_epoch() == before + 1


@pytest.mark.parametrize("part", ["holders", "queues", "forced"])
def test_a_gate_with_anybody_in_it_of_whom_nothing_is_known_is_not_whole(both: Both, part: str) -> None:
    gate, before = both.admission.gate, both.admission.gate.epoch
    key = f"{{slotbeat}}:{before}:{part}"
    gate.redis.sadd(key, "x") if part == "queues" else gate.redis.zadd(key, {str(uuid4()): 10**14})

    both.admission.ask(lambda it: it.expired(9))

    assert gate.epoch == before + 1


def test_a_gate_with_nobody_in_it_is_whole(both: Both) -> None:
    before = both.admission.gate.epoch

    assert both.admission.ask(lambda it: it.expired(9)) == []

    assert both.admission.gate.epoch == before


def test_who_holds_and_is_not_known_is_put_in_no_line(both: Both) -> None:
    """Its place would be held by nobody for good, and it would wait for another beside it."""
    line, before = line_of_three(both), both.admission.gate.epoch
    both.admission.gate.redis.hdel(firings_key(both), str(line[1]))

    both.admission.offer_again([line[1]])

    assert both.admission.gate.epoch == before + 1
    both.worker_signs()
    assert sorted(both.states(*line)) == ["leased", "reserved", "waiting"]
    assert both.admission.ask(lambda it: it.usage()).limits[0].used == 2


def test_a_place_that_is_held_by_nobody_known_is_free_again_once_it_is_over(both: Both) -> None:
    gate, firing = both.admission.gate, both.offered()
    request, before = uuid4(), gate.epoch
    assert gate.claim(firing, request, "w1", 1) == "LEASED"
    gate.redis.hdel(firings_key(both), str(firing))
    other = both.offered()  # of whom the gate goes on to know

    until(lambda: both.admission.ask(lambda it: it.expired(9)) == [] and gate.epoch == before + 1)

    both.worker_signs()
    assert both.states(firing, other) == ["reserved", "reserved"]


def test_releases_that_are_sent_together_heal_it_too(both: Both) -> None:
    gate, before = both.admission.gate, both.admission.gate.epoch
    gate.redis.set(f"{{slotbeat}}:{before}:holders", "x")

    both.admission.ask(lambda it: it.release_each([(uuid4(), uuid4())]))

    assert gate.epoch == before + 1


def test_what_was_read_amiss_under_an_older_epoch_takes_nothing_from_the_present_one(both: Both) -> None:
    gate = both.admission.gate
    before = gate.epoch
    gate.redis.flushdb()
    both.admission.make_whole()

    gate.lose(before)

    assert gate.current_epoch() == before + 1
