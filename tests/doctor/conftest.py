"""A system for the doctor to look at, in which a test makes one thing wrong."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from console.doctor.examine import Check
from console.doctor.finding import Finding
from console.doctor.patient import Patient
from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import Settings, addresses
from shared.store.connection import connect
from tests.process.conftest import fleet
from tests.store.rows import Rows, scene

__all__ = ["fleet"]


@dataclass
class Ward:
    """The patient, and hands to make it ill."""

    patient: Patient
    rows: Rows
    admission: Admission
    environ: dict[str, str] = field(default_factory=dict)

    def told(self, check: Check) -> list[Finding]:
        """What a check says; each time by fresh eyes."""
        fresh = replace(self.patient, environ=self.environ)
        with closing(fresh):
            return list(check(fresh))

    def one(self, check: Check) -> tuple[str, str, tuple[str, ...]]:
        """The only finding: level, words, remedies."""
        [it] = self.told(check)
        return it.level, it.words, it.remedy

    def process(self, kind: str = "worker", node: str = "w1@here", *, age_s: float = 0, **over: Any) -> None:
        values = {"capacity": 4, "facts": {}, **over}
        self.rows.all(
            "insert into processes (id, kind, node, boot_id, pid, pid_start, capacity, facts, seen_at)"
            " values (%s, %s, %s, '', 42, 1, %s, %s, now() - make_interval(secs => %s)) returning id",
            *(f"{kind} {node}", kind, node, values["capacity"], json.dumps(values["facts"]), age_s),
        )


@pytest.fixture
def ward(database_url: str, redis_url: str) -> Iterator[Ward]:
    where = addresses({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    app = make_app("ward", where)
    with connect(database_url) as sql, closing(Patient(where, {}, pause=lambda _: None)) as patient:
        admission = Admission(patient.database, where, Settings(), app)
        yield Ward(patient, scene(sql), admission)
        admission.gate.redis.close()
    close_app(app)
