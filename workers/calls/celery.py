"""The runner's part of the kind `celery`: a task of another app, awaited, and revoked on abort."""

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu.exceptions import OperationalError

from shared.celery_app import close_app
from shared.rules.reasons import Reason
from workers.calls.runner import Done, Failure, Order, Voice

_LOOK_EVERY_S = 0.25
# Clocks of two hosts may differ: a task is not to be over before it can begin.
_CLOCKS_DIFFER_S = 60.0
_MOST_FAILURES = 40
# At one look; what is told beyond them is told at the next.
_MOST_TURNS = 1000


class _Aborted(BaseException):
    """SIGTERM came; nobody who takes errors of a library for a moment's trouble takes it for one."""


class _Unread(Failure):
    """What became of the task cannot be known: it may run on."""


def call(order: Order, voice: Voice) -> Done:
    """Sends the task, looks at its state, tells what it tells."""
    with _sender(order.target) as app:
        if order.cancel is None:
            return _called(app, order, voice)
        _revoke(app, order.cancel)
        return Done()


def _called(app: Celery, order: Order, voice: Voice) -> Done:
    task_id = str(uuid4())  # a new one each time: one that was revoked is never run again

    def on_abort(_number: int, _frame: object) -> None:
        raise _Aborted

    signal.signal(signal.SIGTERM, on_abort)
    try:
        voice.ref(task_id)  # first: a task that nobody knows of could not be cancelled
        _send(app, order, task_id)
        return _awaited(_reader(order.target), task_id, voice)
    except _Aborted:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _revoke(app, task_id)
        raise Failure(Reason.ABORTED, "The task was revoked.") from None
    except _Unread:
        with suppress(OperationalError, OSError):  # or the next attempt would run beside it
            _revoke(app, task_id)
        raise


@contextmanager
def _sender(target: Mapping[str, Any]) -> Iterator[Celery]:
    """Without a result backend: with one, Celery subscribes to each task it sends, and waits for that."""
    app = Celery("slotbeat-caller", set_as_current=False)
    app.conf.update(
        broker_url=target["broker_url"],
        task_serializer="json",
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1},
        broker_connection_retry=False,
    )
    try:
        yield app
    finally:
        close_app(app)


def _reader(target: Mapping[str, Any]) -> Celery:
    app = Celery("slotbeat-reader", set_as_current=False)
    app.conf.update(
        result_backend=target.get("result_backend") or target["broker_url"],
        result_backend_transport_options={"retry_policy": {"max_retries": 1}},
        redis_socket_timeout=5,
        redis_socket_connect_timeout=5,
        # Never anything that runs code when it is read.
        accept_content=["json"],
        result_accept_content=["json"],
    )
    return app


def _send(app: Celery, order: Order, task_id: str) -> None:
    target = order.target
    arguments = dict(target.get("kwargs") or {})
    field = target.get("prompt_argument", "prompt")
    if field:
        arguments[field] = order.prompt
    try:
        app.send_task(
            target["task"],
            args=target.get("args") or [],
            kwargs=arguments,
            queue=target.get("queue") or "celery",
            task_id=task_id,
            # A revoke is heard by workers that are up: one that comes later must not begin what nobody waits for.
            expires=None if order.run_left_s is None else order.run_left_s + _CLOCKS_DIFFER_S,
            headers={**order.variables, "Idempotency-Key": order.variables["SLOTBEAT_FIRING_ID"]},
            # In place of the arguments in that app's Flower: a prompt is nobody's there.
            argsrepr="(...)",
            kwargsrepr="{...}",
            retry=False,
        )
    except (OperationalError, OSError) as error:
        raise Failure(Reason.TARGET_ERROR, f"The broker of the task cannot be reached: {error}") from error


def _awaited(app: Celery, task_id: str, voice: Voice) -> Done:
    told = failures = 0
    while True:
        try:
            seen: dict[str, Any] = app.backend.get_task_meta(task_id, cache=False)
        except NotImplementedError as error:
            why = "Its app needs a result backend that both can reach: give it as result_backend."
            raise _Unread(Reason.BAD_TARGET, why) from error
        except Exception as error:
            # Any backend has errors of its own. One that is away for a moment loses nothing.
            failures += 1
            if failures >= _MOST_FAILURES:
                raise _Unread(Reason.TARGET_ERROR, f"The results of the task cannot be read: {error}") from error
        else:
            failures = 0
            if (done := _look(seen["status"], seen["result"])) is not None:
                return done
            told = _tell(seen["result"], told, voice)
        time.sleep(_LOOK_EVERY_S)


def _look(state: str, result: Any) -> Done | None:
    if state == "FAILURE":
        raise Failure(None, f"{type(result).__name__}: {result}")
    if state == "REVOKED":
        raise Failure(Reason.ABORTED, "Somebody revoked the task.")
    return _done(result) if state == "SUCCESS" else None


def _tell(progress: Any, told: int, voice: Voice) -> int:
    """What a task says of itself by `update_state(meta={"turns": n, ...})`: its turns as they come."""
    turns = progress.get("turns") if isinstance(progress, dict) else None
    if not isinstance(turns, int) or turns <= told:
        return told
    now = min(turns, told + _MOST_TURNS)
    for number in range(told + 1, now + 1):
        voice.say({"type": "turn", "number": number})
    return now


def _done(result: Any) -> Done:
    if not isinstance(result, dict):
        return Done(result if isinstance(result, str) or result is None else json.dumps(result))
    usage = result.get("usage")
    told = result.get("result", result)
    text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
    return Done(text, usage=usage if isinstance(usage, dict) else {})


def _revoke(app: Celery, task_id: str) -> None:
    app.control.revoke(task_id, terminate=True, signal="SIGTERM")
