"""Gate and rows together, with the steps of a worker for a test to take one by one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from shared.admission import Admission
from shared.store import activity, attempts, settlement
from tests.store.rows import LEASE, Rows, by_hand, measure

LEASE_MS = round(LEASE.total_seconds() * 1000)


@dataclass
class Both:
    """Admission and rows over the same database."""

    admission: Admission
    rows: Rows

    def worker_signs(self, worker: str = "w1", processes: int = 20) -> None:
        self.admission.ask(lambda gate: gate.renew(worker, processes, LEASE_MS, []))

    def offered(self, **over: Any) -> UUID:
        """A queued firing that is in line."""
        made = self.rows.firing(**over)
        self.admission.offer_again([made])
        return made

    def run_now(self, *, queue: bool = False, **over: Any) -> Any:
        """None when it has a reservation or a place in line; else what is in the way."""
        asked = by_hand(self.rows.workspace, **over)
        kind = "manual_force_bypass" if asked.forced else "manual_run"
        deed = activity.Deed(kind, "me", {}, workspace=asked.workspace_id, firing=asked.id)
        return self.admission.run_now(asked, deed, queue=queue)

    def gate_claims(self, firing: UUID, request: UUID) -> str:
        return self.admission.ask(lambda gate: gate.claim(firing, request, "w1", LEASE_MS))

    def claim(self, firing: UUID, request: UUID | None = None) -> Any:
        """As a worker does: the gate first, then Postgres under the gate's epoch; its no, or the gate's."""
        request = request or uuid4()
        told = self.gate_claims(firing, request)
        return self.rows.claim(firing, request, self.admission.gate.epoch) if told == "LEASED" else told

    def settle(self, attempt: attempts.Attempt, status: str = "completed") -> bool:
        """Ends the run in Postgres, with its metrics, then gives its slot back in the gate."""
        with self.rows.sql.transaction():
            ended = settlement.lock_endings(self.rows.sql, [attempt.token]).get(attempt.token)
            assert ended is not None
            told = self.rows.settle(attempt.token, status)
            if told and status != "queued":
                measure(self.rows.sql, ended)
        self.give_back(attempt.firing_id, attempt.request_id)
        return told

    def give_back(self, firing: UUID, request: UUID) -> None:
        self.admission.hand_over(self.admission.ask(lambda gate: gate.release(firing, request)))

    def states(self, *firings: UUID) -> list[str]:
        return [it.state for it in self.admission.ask(lambda gate: gate.states(firings))]

    def agree(self) -> bool:
        """Whether the gate counts under each limit exactly what runs in Postgres, reservations apart."""
        usage = self.admission.ask(lambda gate: gate.usage())
        held = {key: self.rows.slots(key)[1] for (key,) in self.rows.all("select key from limits")}
        return usage.reserved == 0 and {it.limit: it.used for it in usage.limits} == held
