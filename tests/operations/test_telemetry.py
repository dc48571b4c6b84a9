"""Log lines as JSON, errors to Sentry, traces by OTLP: there where they are asked for, and nothing elsewhere."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from shared.events import event, trouble
from shared.logs import JsonLines, shape
from tests.process.conftest import Fleet
from tests.receiver import Receiver
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}


def record(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    return json.loads(JsonLines().format(caplog.records[-1]))


def test_an_event_is_one_object_with_its_fields_and_no_field_hides_what_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "slotbeat")

    event("slot.claimed", firing="f", level_="x", at="never", title="a\nb")

    told = record(caplog)
    assert (told["event"], told["level"], told["firing"], told["title"]) == ("slot.claimed", "info", "f", "a\nb")
    assert told["at"] != "never"
    assert "\n" not in JsonLines().format(caplog.records[-1])


def test_what_others_log_is_an_object_too_with_its_exception(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("others").exception("said %s", "so")

    told = record(caplog)
    assert (told["logger"], told["message"]) == ("others", "said so")
    assert "ValueError: why" in str(told["exception"])


def test_handlers_keep_their_shape_unless_json_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, handler = logging.getLogger("only for this test"), logging.StreamHandler()
    logger.addHandler(handler)
    shape(logger)
    assert handler.formatter is None

    monkeypatch.setenv("SLOTBEAT_LOG_FORMAT", "JSON")
    shape(logger)
    assert isinstance(handler.formatter, JsonLines)


def test_a_firing_that_completes_is_in_every_log_and_trace_that_is_asked_for(fleet: Fleet, receiver: Receiver) -> None:
    fleet.environment.update(
        SLOTBEAT_LOG_FORMAT="json", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address, OTEL_BSP_SCHEDULE_DELAY="100"
    )
    worker, beat = fleet.worker(), fleet.beat()
    schedule = fleet.schedule(fleet.workspace("billing"), "nightly", ["true"], prompt="hidden words")
    fleet.ended()
    until(lambda: receiver.calls)

    lines = [json.loads(line) for line in worker.text.splitlines() if line.startswith("{")]
    told = {it["event"]: it for it in lines if "event" in it}
    for name in ("slot.claimed", "firing.settled"):
        assert told[name]["schedule"] == str(schedule)
        assert told[name]["firing"]
        assert told[name]["token"]
    assert any(json.loads(line).get("event") == "beat.ticked" for line in beat.text.splitlines() if line[:1] == "{")
    [span] = receiver.calls
    assert span.path == "/v1/traces"
    for words in (b"slotbeat.attempt", b"nightly", b"billing", b"completed", str(schedule).encode()):
        assert words in span.body
    assert b"hidden words" not in span.body + worker.text.encode()


def test_a_contained_error_reaches_sentry_with_its_ids_and_without_what_was_in_memory(receiver: Receiver) -> None:
    program = (
        "from shared.events import trouble\n"
        "def f():\n"
        "    prompt = 'hidden words'\n"
        "    try: raise ValueError('the cause')\n"
        "    except ValueError as error: trouble('reaper.row_failed', error, firing='f-1', title='secret title')\n"
        "f()\n"
        "import sentry_sdk; sentry_sdk.flush(10)\n"
    )
    dsn = receiver.address.replace("http://", "http://key@") + "/1"

    subprocess.run([sys.executable, "-c", program], env={"SENTRY_DSN": dsn}, cwd=ROOT, check=True, timeout=60)

    bodies = b"".join(unzipped(it.body) for it in receiver.calls)
    for words in (b"the cause", b"reaper.row_failed", b"f-1"):
        assert words in bodies
    for words in (b"hidden words", b"secret title"):
        assert words not in bodies


def unzipped(body: bytes) -> bytes:
    import gzip

    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def test_where_nobody_asks_nothing_is_loaded() -> None:
    program = (
        "import sys, workers.tasks\n"
        "from shared.events import trouble\n"
        "trouble('x.y', ValueError())\n"
        "print([it for it in ('sentry_sdk', 'opentelemetry.exporter', 'apprise') if it in sys.modules])"
    )

    told = subprocess.run(
        [sys.executable, "-c", program], env=NOWHERE, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )

    assert told.stdout == "[]\n"


@pytest.mark.parametrize(
    ("variable", "package", "extra"),
    [("SENTRY_DSN", "sentry_sdk", "sentry"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry.sdk", "telemetry")],
)
def test_where_the_package_is_missing_it_is_said_once_and_work_goes_on(variable: str, package: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from shared.reporting import report\n"
        "from workers import traces\n"
        "from types import SimpleNamespace as S\n"
        "from datetime import datetime, UTC\n"
        "at = datetime(2026, 1, 1, tzinfo=UTC)\n"
        "for _ in range(2):\n"
        "    report('x', ValueError(), {})\n"
        "    traces.tell(S(), at, at, S())\n"
    )
    environment = {variable: "http://key@127.0.0.1:1/1"}

    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert told.stderr.count(f'pip install "slotbeat[{extra}]"') == 1


def test_trouble_is_logged_with_its_type(caplog: pytest.LogCaptureFixture) -> None:
    trouble("x.failed", ValueError("so"), firing="f")

    assert record(caplog) | {"at": ""} == {
        "at": "", "level": "error", "event": "x.failed", "error": "ValueError: so", "firing": "f",
    }  # fmt: skip
