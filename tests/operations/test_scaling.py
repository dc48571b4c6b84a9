"""Workers that come and go on hosts of their own, and installations beside each other on one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.settings import Addresses
from shared.store.migrate import migrate
from tests.operations import hosts
from tests.operations.installations import installed
from tests.operations.test_stack import Machines, environment, port_of
from tests.operations.witnesses import Witnesses, boot_clock
from tests.process.conftest import QUICK, Fleet
from tests.running import Start, Started
from tests.waiting import until

WORKER = ["celery", "-A", "workers", "worker", "-c", "3", "-l", "INFO", "--without-mingle", "--without-gossip"]


def running(fleet: Fleet) -> list[int]:
    """How many execute at each worker that has any, the busiest first."""
    query = "select count(*)::int from attempts where ended_at is null group by worker ->> 'id' order by 1 desc"
    return [it for (it,) in fleet.rows(query)]


@pytest.fixture
def machines(fleet: Fleet, redis_url: str, start: Start, tmp_path: Path) -> Iterator[Machines]:
    """Hosts for the services of the stack, with quick clocks."""
    quick = {**QUICK, "SLOTBEAT_LEASE_SECONDS": "6", "SLOTBEAT_SHUTDOWN_GRACE_S": "0.2"}
    with hosts.wired(tmp_path, [port_of(fleet.database.url), port_of(redis_url)]) as wires:
        made = Machines(start, environment(fleet.database.url, redis_url) | quick, wires, tmp_path)
        yield made
        for _, host in made.all:
            host.started.end_tree()


@pytest.mark.timeout(240)
def test_one_two_and_four_workers_share_the_caps_and_one_that_comes_or_goes_is_felt_at_once(
    fleet: Fleet, machines: Machines, tmp_path: Path
) -> None:
    """Room for two firings each, under a cap of three and then of seven; one is told to go, and one host dies."""
    told = Witnesses(tmp_path)
    fleet.admission.set_cap("fleet", 3, "test")
    machines.up("beat")
    told.wait(fleet, 10)

    leaves = machines.up("worker", WORKER)
    until(lambda: running(fleet) == [2], 60)
    dies = machines.up("worker", WORKER)
    until(lambda: running(fleet) == [2, 1], 60)
    for _ in range(2):
        machines.up("worker", WORKER)
    until(lambda: fleet.rows("select count(*) from processes where kind = 'worker'") == [(4,)], 60)
    raised_at = boot_clock()
    fleet.admission.set_cap("fleet", 7, "test")
    until(lambda: running(fleet) == [2, 2, 2, 1] and len(told.tokens()) == 7, 60)

    leaves.stop()
    until(lambda: not leaves.started.running and running(fleet) == [2, 2, 2], 60)
    dies.started.kill() if hosts.unsharing() else dies.started.end_tree()
    until(lambda: running(fleet) == [2, 2], 60)
    told.let_go.touch()

    assert {it[1] for it in fleet.ended(10, 90)} == {"completed"}
    assert leaves.started.wait() == 0, machines.told()
    assert (told.most_at_once(raised_at), told.most_at_once()) == (3, 7)
    # Two were interrupted and two lost with their host; every other firing began once.
    assert fleet.rows("select count(*), count(*) filter (where exit_reason = 'interrupted') from attempts") == [(14, 2)]


# Beside each other ----------------------------------------------------------------------------------


def titles(fleet: Fleet, status: str) -> set[str]:
    return {it for (it,) in fleet.rows("select title from firings where status = %s", status)}


def populated(fleet: Fleet, told: Witnesses) -> Started:
    """Its worker; two of its three firings can execute at once."""
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "6"
    fleet.admission.set_cap("fleet", 2, "test")
    fleet.beat()
    told.wait(fleet, 3)
    return fleet.worker("same")


@pytest.mark.timeout(180)
def test_two_installations_on_one_host_and_one_redis_never_touch_each_other(
    fleet: Fleet, empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The same names of workers, workspaces and schedules; one loses a worker and its gate, the other hears nothing."""
    ours, theirs = Witnesses(tmp_path / "ours"), Witnesses(tmp_path / "theirs")
    migrate(empty_database_url)
    with installed(fleet, Addresses(empty_database_url, redis_url, redis_url, "other")) as other:
        dies, lives = populated(fleet, ours), populated(other, theirs)
        until(lambda: running(fleet) == running(other) == [2])
        before = titles(other, "running")
        [(epoch,)] = other.rows("select number from epoch")

        dies.end_tree()
        forget(fleet)
        # It looks for payloads without a guard when it starts, and finds a gate without a memory.
        fleet.worker("same")
        until(lambda: fleet.rows("select count(*) from attempts") == [(4,)] and running(fleet) == [2])
        assert (titles(other, "running"), lives.running) == (before, True)
        ping = fleet.begin("python", "-m", "celery", "-A", "workers", "inspect", "ping", env=other.environment)
        assert (ping.wait(60), ping.text.count("same@test: OK")) == (0, 1)
        for it in (ours, theirs):
            it.let_go.touch()

        assert [len(it.ended(3)) for it in (fleet, other)] == [3, 3]
        assert [it.rows("select max(number) from attempts") for it in (fleet, other)] == [[(2,)], [(1,)]]
        assert [it.most_at_once() for it in (ours, theirs)] == [2, 2]
        assert other.rows("select number from epoch") == [(epoch,)]


def forget(fleet: Fleet) -> None:
    """Its gate loses its memory; that of the other does not."""
    with Redis.from_url(fleet.environment["REDIS_URL"]) as redis:
        assert redis.delete(*redis.scan_iter("{slotbeat}*")) > 0
