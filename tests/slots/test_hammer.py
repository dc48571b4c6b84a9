"""Eight processes hammer one set of rows; every promise that rows can tell holds, while they do and after."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from shared.store import limits
from shared.store.invariants import broken
from tests.slots.both import Both
from tests.store.rows import scene

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, SECONDS = 8, 4.0


@pytest.mark.timeout(120)
def test_every_promise_holds_while_eight_processes_hammer_the_same_rows(
    both: Both, database_url: str, redis_url: str
) -> None:
    """SLT-1 to SLT-6."""
    scene(both.rows.sql, "there")
    first_seed = random.getrandbits(32)
    print(f"seeds from {first_seed}")
    environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    crowd = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.slots.hammer", str(first_seed + n), str(SECONDS)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]

    seen = []
    while any(it.poll() is None for it in crowd):
        seen += broken(both.rows.sql)
    told = [it.communicate() for it in crowd]

    assert [it.returncode for it in crowd] == [0] * PROCESSES, "\n".join(err[-1500:] for _, err in told if err)[:3000]
    did = sum((Counter(json.loads(out.splitlines()[-1])) for out, _ in told), Counter[str]())
    print(dict(did))
    assert not seen
    assert not broken(both.rows.sql)
    assert did["claimed"] > 0
    assert did["fenced"] > 0
    assert {it.limit: it.cap for it in both.admission.ask(lambda gate: gate.usage()).limits} == limits.caps(
        both.rows.sql
    )
    both.admission.ask(lambda gate: gate.withdraw([*gate.members()]))
    assert both.agree()
