"""How beat hears that a schedule was added, edited, paused or resumed, before it would look."""

from shared.store.connection import Postgres, connect


def listen(database_url: str) -> Postgres:
    """A connection of its own that hears of schedules that were added, edited, paused or resumed."""
    connection = connect(database_url, application="slotbeat beat listens")
    connection.execute("listen slotbeat_schedules")
    return connection


def wait_for_edit(listener: Postgres, timeout_s: float) -> bool:
    """Waits until some schedule changed, or for so long; whether one changed."""
    return any(True for _ in listener.notifies(timeout=timeout_s, stop_after=1))
