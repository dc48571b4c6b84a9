"""The same steps on the real scripts and rows, and what they left, seen as the abstract world."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from shared import keys
from shared.admission import Admission
from shared.answers import Seat, Waiter
from shared.gate import _OFFER, _RELEASE, _WITHDRAW, _given_back
from shared.rules.endings import NOT_STARTED
from shared.settings import Settings
from shared.store import attempts, epoch, limits, processes
from shared.store.connection import Database, connect
from tests.model.world import ABSENT, LEASED, RESERVED, WAITING, Rules, Worker, World
from workers.outcome import Outcome
from workers.settle import Company, settle
from workers.station import Station

LEASE = timedelta(seconds=60)
LEASE_MS = 60_000
SETTINGS = Settings()
# No trigger lets them go; for so few rows it is quicker than to truncate.
SWEPT = """
    begin; set local session_replication_role = replica;
    delete from firings; delete from attempts; delete from slots; delete from firing_events; delete from activity_logs;
    delete from alerts; commit
"""
SEATS = {"": ABSENT, "waiting": WAITING, "reserved": RESERVED}
OUTCOMES = {
    "ok": Outcome(None, exit_code=0),
    "lost": Outcome("worker_lost"),
    "not": Outcome(NOT_STARTED),
}


class Real:
    """Two firings on real servers; numbers of the abstract world stand for real ids, tokens and epochs."""

    def __init__(self, admissions: list[Admission]) -> None:
        self.workers, self.upkeep = admissions[:2], admissions[2]
        self.database: Database = self.upkeep.database
        self.sql = self.database.connection()
        # To plan for so few rows takes longer than to look through them.
        self.sql.execute("set plan_cache_mode = force_generic_plan")
        # Of its own: a session whose replication role changes plans all its statements anew.
        self.broom = connect(self.database.url)
        self.redis = self.upkeep.gate.redis
        # Of the server that all tests share: it stays, and to ask for it costs more than all else that is looked at.
        self.run_id = self.upkeep.gate.run_id()
        self.station = cast("Station", SimpleNamespace(database=self.database, admission=self.upkeep))
        self.firings: list[UUID] = []
        self.lines: list[int] = []
        self.requests: dict[tuple[int, int], UUID] = {}
        self.tokens: dict[tuple[int, int], int] = {}
        self.epochs: dict[int, int] = {}
        self.rules = Rules()
        self.workspace = uuid7()
        self.sql.execute("insert into workspaces (id, name, status) values (%s, 'here', 'online')", [self.workspace])

    # The first world ------------------------------------------------------------------------------

    def begin(self, rules: Rules) -> None:
        """Two queued firings, a cap of 1, a whole gate that knows nothing of them, two workers with room."""
        self.rules = rules
        self.broom.execute(SWEPT)
        with self.sql.transaction():
            self.sql.execute("update limits set cap = 1, surplus = 0 where key = 'fleet'")
            self.sql.execute("insert into slots (limit_key, number) values ('fleet', 1)")
        for name in ("w0", "w1"):
            about = {"id": name, "kind": "worker", "node": name, "boot_id": "", "pid": 1, "pid_start": 1, "capacity": 4}
            processes.sign(self.sql, about)
        self.redis.flushdb()
        self.upkeep.make_whole()
        self.requests, self.tokens = {}, {}
        self.epochs = {1: self.upkeep.gate.epoch}
        for it in self.workers:
            it.gate.epoch = self.upkeep.gate.epoch
        self.firings = [uuid7(), uuid7()]
        self.lines = [self._add(f) for f in (0, 1)]

    def _add(self, f: int) -> int:
        row = self.sql.execute(
            "insert into firings (id, workspace_id, source, nominal_at, title, target, forced, max_run_seconds,"
            " max_attempts, retry_backoff_s) values (%s, %s, 'adhoc', now(), %s, '{}', %s, 3600, %s, 0)"
            " returning line_no",
            [self.firings[f], self.workspace, f"firing {f}", self.rules.forced[f], self.rules.max_attempts],
        ).fetchone()
        assert row is not None
        return row[0]

    def waiter(self, f: int) -> Waiter:
        """The firing as the gate takes it."""
        forced = self.rules.forced[f]
        return Waiter(self.firings[f], self.workspace, None, self.lines[f], 5, forced, f"firing {f}")

    def key(self, name: str) -> str:
        """A key of the gate, under the epoch that stands in it."""
        return f"{keys.gate_root(self.upkeep.gate.namespace)}:{self.upkeep.gate.current_epoch()}:{name}"

    def draw(self, f: int, r: int) -> UUID:
        """A new request."""
        made = self.requests[f, r] = uuid4()
        return made

    # Steps of a worker ----------------------------------------------------------------------------

    def claim(self, i: int, f: int, after: World) -> None:
        request = self.draw(f, after.workers[i].r)
        assert self.workers[i].gate.claim(self.firings[f], request, f"w{i}", LEASE_MS) == "LEASED"

    def commit(self, i: int, before: World, after: World) -> None:
        """The claim in Postgres; its answer must be the one that was foretold."""
        it = before.workers[i]
        told = attempts.claim(self.sql, self.firings[it.f], self.requests[it.f, it.r], self._claimer(i))
        self._as_foretold(told, it.f, after.workers[i])

    def settle_and_commit(self, i: int, before: World, after: World) -> None:
        """The worker's settle, and the claim of what it took in the same transaction."""
        it, asked = before.workers[i], list[attempts.Question]()
        mine = (self.firings[1 - it.f], self.requests[1 - it.f, it.taking], self._claimer(i))
        company = Company(along=lambda connection: asked.append(attempts.ask_along(connection, *mine)))
        told = settle(self.database, self.tokens[it.f, it.n], OUTCOMES[it.out], SETTINGS, company=company)
        assert told.answer == "ok"
        answer = attempts.answered(asked[0])
        assert answer is not None
        self._as_foretold(answer, 1 - it.f, after.workers[i])

    def _claimer(self, i: int) -> attempts.Claimer:
        return attempts.Claimer({"id": f"w{i}"}, None, self.workers[i].gate.epoch, LEASE)

    def _as_foretold(self, told: attempts.Attempt | attempts.Refused, f: int, then: Worker) -> None:
        if isinstance(told, attempts.Attempt):
            assert then.phase in ("claimed", "leased"), f"claimed, and not {then}"
            assert self.tokens.setdefault((f, then.n), told.token) == told.token
        else:
            answer = {"draining": "full"}.get(told.answer, told.answer)
            assert answer == (then.out or "stale"), f"{told}, and not {then}"

    def record_exit(self, i: int, before: World) -> None:
        it = before.workers[i]
        code, reason = (0, None) if it.out == "ok" else (None, "worker_lost")
        attempts.record_exit(self.sql, self.tokens[it.f, it.n], code, reason)

    def settle(self, i: int, before: World, after: World) -> None:
        """The worker's settle; it writes where it was foretold to, and nowhere else."""
        it = before.workers[i]
        told = settle(self.database, self.tokens[it.f, it.n], OUTCOMES[it.out], SETTINGS)
        assert (told.answer == "ok") == (before.rows != after.rows), f"{told} by {it}"

    def give_back(self, i: int, before: World) -> None:
        """Release, put back or block, as Postgres's answer asks for."""
        it, gate = before.workers[i], self.workers[i].gate
        firing, request = self.firings[it.f], self.requests[it.f, it.r]
        if it.out == "full":
            gate.block("fleet", firing, request)
        elif it.out == "put":
            gate.put_back(firing, request)
        else:
            gate.release(firing, request)

    def take_next(self, i: int, f: int, before: World, after: World) -> None:
        """The slot given back, and the other firing leased to the same worker."""
        it, seat = before.workers[i], after.gate.seats[f]
        is_taken = seat > LEASED and seat != before.gate.seats[f]
        request = self.draw(f, seat - LEASED) if is_taken else uuid4()
        mine = (self.firings[it.f], self.requests[it.f, it.r])
        for _ in range(2):  # an answer that was lost is found by asking again
            made, taken = self.workers[i].gate.release_and_take(*mine, request, f"w{i}", LEASE_MS)
            assert (taken, [it.firing for it in made]) == (
                (self.firings[f], [self.firings[f]]) if is_taken else (None, [])
            )

    def renew(self, f: int, before: World) -> None:
        attempts.renew(self.sql, [self.tokens[f, before.rows.firings[f].n]], LEASE)

    def lapse(self, f: int) -> None:
        """Lease and grace of the live attempt are over: its clocks began earlier."""
        self.sql.execute(
            "update attempts set heartbeat_expires_at = now() - interval '80 s', claimed_at = now() - interval '140 s'"
            " where firing_id = %s and ended_at is null",
            [self.firings[f]],
        )

    # Faults ---------------------------------------------------------------------------------------

    def rebuild_dies(self) -> None:
        """The gate is loaded, and the transaction that raises the epoch is not committed."""
        assert self.upkeep._load(self.sql, epoch.draw(self.sql, self.upkeep.gate.current_epoch() or 0))

    def failover(self, f: int, seat: int) -> None:
        """Another Redis, which knows something older of one firing."""
        self.sql.execute("update epoch set redis_run_id = 'of another'")
        gate = self.upkeep.gate
        gate.epoch = gate.current_epoch() or 0
        cap, until = self.redis.hget(self.key("caps"), "fleet"), self.redis.zscore(self.key("blocked"), "fleet")
        self.redis.zrem(self.key("blocked"), "fleet")
        self.redis.hset(self.key("caps"), "fleet", 99 if seat == RESERVED else 0)
        known = gate.states([self.firings[f]])[0]
        if known.state == "leased":
            gate._ask(_RELEASE, **_given_back(known.firing, UUID(known.request)), most=0)
        gate._ask(_WITHDRAW, firings=f'["{known.firing}"]', most=0)
        if seat == RESERVED:
            gate.reserve(self.waiter(f))
        elif seat == WAITING:
            gate._ask(_OFFER, batch=_batch(self.waiter(f)), most=0)
        self.redis.hset(self.key("caps"), "fleet", cast("Any", cap))
        if until is not None:
            self.redis.zadd(self.key("blocked"), {"fleet": until})

    def late(self, name: str, f: int, after: World) -> None:
        """A reconciler acts on what it read before something changed."""
        gate, firing = self.upkeep.gate, self.firings[f]
        gate.epoch = gate.current_epoch() or 0
        if name == "late_withdraw":
            gate.withdraw([firing])
        elif name == "late_offer":
            gate.offer([self.waiter(f)])
        elif name == "late_seat":
            gate.seat([Seat(self.waiter(f), self.draw(f, after.gate.seats[f] - LEASED), "w9", LEASE_MS)])
        else:
            act = gate.put_back if name == "late_put_back" else gate.release
            act(firing, UUID(gate.states([firing])[0].request))

    def set_cap(self, cap: int) -> None:
        with self.database.transaction() as connection:
            limits.set_cap(connection, "fleet", cap, "model")


def _batch(waiter: Waiter) -> str:
    facts = ",".join(f'"{it}"' if isinstance(it, str) else str(it) for it in waiter.facts())
    return f"[[{facts}]]"
