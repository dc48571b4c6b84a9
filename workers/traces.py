"""A span for each attempt, sent by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT is set."""

import logging
import os
from datetime import datetime
from functools import lru_cache
from typing import Any

from shared.store.attempts import Attempt
from workers.settle import Settled

_NS = 1_000_000_000


def tell(attempt: Attempt, began: datetime, ended: datetime, settled: Settled) -> None:
    """One span from the claim to the settle; costs a look at the environment where nobody wants it."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or (tracer := _tracer(os.getpid())) is None:
        return
    from opentelemetry.trace import Status, StatusCode

    facts = {
        "slotbeat.firing": str(attempt.firing_id),
        "slotbeat.token": attempt.token,
        "slotbeat.attempt": attempt.number,
        "slotbeat.workspace": attempt.workspace,
        "slotbeat.schedule": attempt.schedule or "",
        "slotbeat.schedule_id": str(attempt.schedule_id or ""),
        "slotbeat.status": settled.status or settled.answer,
        "slotbeat.reason": settled.reason or "",
    }
    span = tracer.start_span("slotbeat.attempt", start_time=_ns(began), attributes=facts)
    if settled.status != "completed":
        span.set_status(Status(StatusCode.ERROR, settled.reason or settled.answer))
    span.end(_ns(ended))


def close() -> None:
    """Sends what is left, for a bounded time."""
    if _tracer.cache_info().currsize and (tracer := _tracer(os.getpid())) is not None:
        tracer.provider.force_flush(2000)
        tracer.provider.shutdown()
    _tracer.cache_clear()


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * _NS)


class _Tracer:
    """The tracer of this process and its provider."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.start_span = provider.get_tracer("slotbeat").start_span


@lru_cache(maxsize=4)
def _tracer(pid: int) -> _Tracer | None:
    """Made in the process that uses it: threads do not outlive a fork."""
    del pid
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        words = 'OTEL_EXPORTER_OTLP_ENDPOINT is set; pip install "slotbeat[telemetry]" to send traces there'
        logging.getLogger("slotbeat").warning(words)
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "slotbeat"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=5)))
    return _Tracer(provider)
