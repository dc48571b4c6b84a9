"""Rows as the product writes them, for tests of what Postgres refuses and of what goes together."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from shared.rules.endings import Becomes, Report
from shared.store import attempts, epoch, firings, limits, settlement, workspaces
from shared.store.connection import Postgres
from shared.store.endings import Endings

LEASE = timedelta(seconds=60)


@dataclass
class Rows:
    """One connection, one workspace, and the steps of a firing's way through the rows."""

    sql: Postgres
    workspace: UUID

    def all(self, query: str, *values: Any) -> list[Any]:
        return self.sql.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def one(self, query: str, *values: Any) -> Any:
        return self.all(query, *values)[0][0]

    def schedule(self, **over: Any) -> UUID:
        made = uuid7()
        columns = {
            "id": made,
            "workspace_id": self.workspace,
            "name": str(made),
            "cron": "0 3 * * *",
            "target": Jsonb({}),
            **over,
        }
        names, asked = ", ".join(columns), ", ".join(f"%({it})s" for it in columns)
        self.sql.execute(f"insert into schedules ({names}) values ({asked})", columns)  # pyright: ignore[reportArgumentType]
        return made

    def firing(self, **over: Any) -> UUID:
        asked = by_hand(self.workspace, **over)
        firings.add_by_hand(self.sql, asked, firings.next_line_no(self.sql))
        return asked.id

    def cap(self, key: str, cap: int) -> None:
        with self.sql.transaction():
            limits.set_cap(self.sql, key, cap, "test")

    def no_cap(self, key: str) -> None:
        with self.sql.transaction():
            limits.remove(self.sql, key)

    def claim(self, firing: UUID, request: UUID | None = None, known: int | None = None) -> Any:
        """The attempt, or Postgres's no."""
        number = epoch.current(self.sql).number if known is None else known
        return attempts.claim(self.sql, firing, request or uuid4(), claimer(number))

    def running(self, **over: Any) -> attempts.Attempt:
        claimed = self.claim(self.firing(**over))
        assert isinstance(claimed, attempts.Attempt), claimed
        return claimed

    def settle(self, token: int, status: str = "completed", **over: Any) -> bool:
        outcome = {"queued": "requeued"}.get(status, status)
        with self.sql.transaction():
            ended = settlement.lock_endings(self.sql, [token]).get(token)
            assert ended is not None
            becomes: dict[str, Any] = {"status": status, "outcome": outcome, **over}
            report = Report("oom" if status == "failed" else None)
            return end_attempt(self.sql, ended, Becomes(**becomes), report)

    def slots(self, key: str) -> tuple[int, int, int, int]:
        """Of a limit: its rows, the held ones, the forced ones, and what it owes."""
        return self.all(
            """
            select count(s.number)::int, count(s.token)::int, count(*) filter (where s.forced)::int, l.surplus
              from limits l left join slots s on s.limit_key = l.key where l.key = %s group by l.key
            """,
            key,
        )[0]


def end_attempt(sql: Postgres, ended: settlement.Ended, becomes: Becomes, report: Report) -> bool:
    """Whether this was its end."""
    live = "select outcome is null from attempts where token = %s"
    before = sql.execute(live, [ended.token]).fetchone()
    page = Endings()
    page.end(ended, becomes, report)
    page.write(sql)
    return (before, sql.execute(live, [ended.token]).fetchone()) == ((True,), (False,))


def measure(sql: Postgres, ended: settlement.Ended, **values: Any) -> None:
    """Writes its row of metrics."""
    page = Endings()
    page.measure(ended, {"turns": 0, "reason": None, "peak_rss_mb": None, "streams": None, **values})
    page.write(sql)


def claimer(number: int) -> attempts.Claimer:
    return attempts.Claimer({"id": "w1"}, None, number, LEASE)


def by_hand(workspace: UUID, **over: Any) -> firings.ByHand:
    """An ad-hoc firing, unless told otherwise."""
    values: dict[str, Any] = {
        "id": uuid7(),
        "schedule_id": None,
        "workspace_id": workspace,
        "source": "adhoc",
        "title": "t",
        "prompt": "",
        "target": {"kind": "command", "argv": ["true"]},
        "priority": 5,
        "lane": None,
        "forced": False,
        "max_turns": None,
        "max_run_seconds": 60,
        "max_attempts": 1,
        "retry_backoff_s": 0,
        "schedule_revision": None,
    }
    return firings.ByHand(**{**values, **over})


def scene(sql: Postgres, name: str = "here") -> Rows:
    """A workspace, and a hand to write with."""
    values = {"name": name, "status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
    return Rows(sql, workspaces.add(sql, values))
