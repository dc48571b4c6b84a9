"""Contained errors, told to Sentry where SENTRY_DSN is set: what went wrong and about which ids, nothing else."""

import logging
import os
from functools import lru_cache
from typing import Any

_IDS = frozenset({"firing", "schedule", "token", "workspace", "attempt", "task", "kind"})


def report(name: str, error: BaseException, fields: dict[str, Any]) -> None:
    """Sends one error, beside this thread; costs a look at the environment where nobody wants it."""
    dsn = os.environ.get("SENTRY_DSN")
    if not dsn or not _is_ready(dsn, os.getpid()):
        return
    import sentry_sdk

    with sentry_sdk.new_scope() as scope:
        scope.set_tag("event", name)
        for key in _IDS & fields.keys():
            scope.set_tag(key, str(fields[key]))
        scope.capture_exception(error)


@lru_cache(maxsize=8)
def _is_ready(dsn: str, pid: int) -> bool:
    """Once a process: a forked child has no threads of its parent's."""
    del pid
    try:
        import sentry_sdk
    except ImportError:
        logging.getLogger("slotbeat").warning('SENTRY_DSN is set; pip install "slotbeat[sentry]" to send errors there')
        return False
    # Local variables have prompts in them, and the command line may have an address.
    sentry_sdk.init(
        dsn,
        default_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        send_default_pii=False,
        max_breadcrumbs=0,
    )
    return True
