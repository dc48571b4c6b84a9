"""What the fields of forms are called, and what is wrong with one in the words of its form."""

from collections.abc import Mapping

from console.problems import Wrong

# In the order in which they stand, for what is wrong is read from the top.
LABELS = {
    "name": "Name",
    "workspace_id": "Workspace",
    "kind": "Kind",
    "cron": "Cron",
    "run_at": "At",
    "timezone": "Time zone",
    "overlap": "While one of it still runs",
    "missed": "Missed while nobody was up",
    "target.kind": "Target",
    "command.argv": "Command line",
    "command.adapter": "Speaks",
    "command.cwd": "Folder",
    "command.env": "Variables (JSON)",
    "http.url": "Address",
    "http.method": "Method",
    "http.prompt_field": "Field of the prompt",
    "http.timeout_s": "Timeout, seconds",
    "http.headers": "Headers (JSON)",
    "http.body": "Body (JSON)",
    "a2a.url": "Address of the agent",
    "a2a.card_path": "Path of its card",
    "a2a.headers": "Headers (JSON)",
    "python.callable": "Callable",
    "python.cwd": "Folder",
    "python.kwargs": "Arguments (JSON)",
    "python.env": "Variables (JSON)",
    "celery.task": "Task",
    "celery.queue": "Queue",
    "celery.broker_url": "Variable of the broker's address",
    "celery.result_backend": "Variable of the result backend",
    "celery.prompt_argument": "Argument of the prompt",
    "celery.args": "Positional arguments (JSON)",
    "celery.kwargs": "Named arguments (JSON)",
    "prompt": "Prompt",
    "max_turns": "Max agent steps",
    "max_run_seconds": "Run lease, seconds",
    "max_attempts": "Attempts",
    "priority": "Priority",
    "lane": "Lane",
    "retry_backoff_s": "Backoff, seconds",
    "jitter_s": "Jitter, seconds",
    "start_deadline_s": "Start deadline, seconds",
    "start_at": "Not before",
    "end_at": "Not after",
    "remaining_runs": "Runs left",
    "daily_turn_budget": "Turns a day, heartbeats",
    "budget_turns": "Budget, turns in 24 h",
    "budget_tokens": "Budget, tokens in 24 h",
    "budget_micros": "Budget, micro-USD in 24 h",
    "alert_after_s": "Alert after, seconds",
    "check.pattern": "Success pattern",
    "check.argv": "Success command",
    # Of workspaces.
    "status": "Status",
    "cap": "Cap",
    "health_url": "Health address",
    "restart_url": "Restart address",
    "wake_url": "Wake address",
    "restart_command": "Restart command",
    "native_scheduler": "It schedules itself",
}
# What the API says of its own names for fields and values that a form shows under others.
_SPOKEN = {
    "run_at_missing": "At is required for what runs once: give its moment.",
    "run_at_past": "This has passed: give a moment that is still to come.",
    "start_at_past": "This has passed: leave it out to start now.",
    "cron_missing": "Cron is required: five fields, for example 30 9 * * mon-fri.",
    "end_before_start": "This must be later than “Not before”.",
    "run_at_before_start": "This is before “Not before”: choose a later moment.",
    "no_occurrence": "No occurrence is left before this: choose a later moment.",
    "missed_needs_overlap": "“Run all” goes only with “queue all” or “run both” while one of it still runs.",
    "success_check": "Give a success pattern or a success command, not both.",
    "cron_timezone": "A cron has no time zone in it: write it into “Time zone”.",
}


def beside(place: str, wrong: Wrong, inner: str = "") -> str:
    """What is said beside a field of a form; `inner` is what of its value is wrong."""
    if wrong.code in _SPOKEN:
        return _SPOKEN[wrong.code]
    if wrong.code == "required" and not inner:
        return f"{LABELS.get(place, 'This')} is required."
    told = wrong.message.removeprefix(wrong.field).removeprefix(":").lstrip() if wrong.field else wrong.message
    return f"{inner}: {told}" if inner else told[:1].upper() + told[1:]


def summary(errors: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What is wrong, from the top of the form: the field, what it is called, what is said of it."""
    return [(it, label, errors[it]) for it, label in LABELS.items() if it in errors]
