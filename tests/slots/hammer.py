"""One process of several that claim, settle and change caps on the same rows, until its time is over.

Started by test_hammer.py as `python -m tests.slots.hammer <seed> <seconds>`; it prints what it did as JSON.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from uuid import UUID, uuid4

from shared.admission import Admission
from shared.answers import Unseeded
from shared.celery_app import make_app
from shared.settings import Settings, addresses
from shared.store.attempts import Attempt
from shared.store.connection import Database
from tests.slots.both import Both
from tests.store.rows import Rows

# Rare deeds: the gate forgets, caps change under what runs, limits come and go.
CAPS = {"fleet": (0, 2, 4, 6, 8), "lane:x": (None, 0, 1, 2), "workspace": (None, 1, 2, 4)}


class Hammer:
    """One of the crowd: its own connections, its own dice."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        database, where = Database(os.environ["DATABASE_URL"]), addresses()
        admission = Admission(database, where, Settings(), make_app("hammer"))
        workspaces = database.connection().execute("select id from workspaces order by name").fetchall()
        self.both = [Both(admission, Rows(database.connection(), it)) for (it,) in workspaces]
        self.own: list[Attempt] = []
        self.did: Counter[str] = Counter()

    def step(self) -> None:
        deeds = {"offer": 30, "claim": 60, "settle": 40, "late_settle": 5, "cap": 4, "force": 3, "flush": 1}
        [deed] = self.dice.choices(list(deeds), list(deeds.values()))
        try:
            getattr(self, deed)(self.dice.choice(self.both))
            self.did[deed] += 1
        except Unseeded:
            self.did["unseeded"] += 1

    def offer(self, both: Both) -> None:
        if both.rows.one("select count(*) from firings where status = 'queued'") < 30:
            lane = self.dice.choice([None, "x"])
            both.offered(lane=lane, max_attempts=3, priority=self.dice.randrange(10))

    def force(self, both: Both) -> None:
        both.run_now(forced=True, queue=True, lane=self.dice.choice([None, "x"]))

    def claim(self, both: Both) -> None:
        for firing in self._some_queued(both):
            both.worker_signs()
            request = uuid4()
            told = both.claim(firing, request)
            if isinstance(told, Attempt):
                self.own.append(told)
                self.did["claimed"] += 1
                return
            if told == "UNKNOWN":
                both.admission.offer_again([firing])
            elif not isinstance(told, str):
                self.did[told.answer] += 1
                both.give_back(firing, request)
                both.admission.offer_again([firing])

    def _some_queued(self, both: Both) -> list[UUID]:
        """Mostly what the gate has reserved, as messages would say; sometimes anything that waits."""
        reserved = both.admission.ask(lambda gate: gate.unclaimed(0, 50))
        if reserved and self.dice.random() < 0.9:
            return [self.dice.choice(reserved).firing]
        found = both.rows.all("select id from firings where status = 'queued' order by line_no limit 6")
        return self.dice.sample([it for (it,) in found], k=min(2, len(found)))

    def settle(self, both: Both) -> None:
        if self.own:
            attempt = self.own.pop(self.dice.randrange(len(self.own)))
            status = self.dice.choice(["completed", "completed", "failed", "queued"])
            used_up = attempt.number >= 3 or both.rows.one(
                "select attempt_count >= max_attempts from firings where id = %s", attempt.firing_id
            )
            self.did["settled"] += both.settle(attempt, "failed" if status == "queued" and used_up else status)

    def late_settle(self, both: Both) -> None:
        """A zombie: an attempt of anybody's that has ended is ended again, and must be fenced."""
        tokens = both.rows.all("select token from attempts where ended_at is not null order by random() limit 1")
        for (token,) in tokens:
            assert not both.rows.settle(token, self.dice.choice(["completed", "failed"]))
            self.did["fenced"] += 1

    def cap(self, both: Both) -> None:
        kind = self.dice.choice(list(CAPS))
        key = f"workspace:{both.rows.workspace}" if kind == "workspace" else kind
        cap = self.dice.choice(CAPS[kind])
        if cap is None:
            both.admission.remove_limit(key, "hammer")
        else:
            both.admission.set_cap(key, cap, "hammer")

    def flush(self, both: Both) -> None:
        both.admission.gate.redis.flushdb()


def main(seed: int, seconds: float) -> None:
    hammer, end = Hammer(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        hammer.step()
    for attempt in hammer.own:
        hammer.both[0].settle(attempt)
    print(json.dumps(hammer.did))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
