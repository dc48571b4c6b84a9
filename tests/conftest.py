"""What every test can ask for, and what is looked at after each."""

import gc
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest

from tests.databases import database_template as database_template
from tests.databases import database_url as database_url
from tests.databases import empty_database_url as empty_database_url
from tests.databases import maker as maker
from tests.databases import own_servers as own_servers
from tests.databases import redis_url as redis_url
from tests.databases import servers as servers
from tests.forks import nursery as nursery
from tests.leftovers import nothing_left
from tests.memory import folder_in_memory
from tests.proc import adopt_orphans
from tests.running import start as start

# Settings of the person who runs the tests are not settings of the tests.
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_", "SLOTBEAT_", "FLOWER_", "PG")


# What takes seconds each begins before what takes milliseconds: a test of a minute that begins last has one core wait.
LONG = (
    *("tests/doctor/", "tests/guard/", "tests/local/", "tests/model/", "tests/operations/", "tests/process/"),
    *(
        "tests/console/test_api_described.py",
        "tests/console/test_catalogue.py",
        "tests/console/test_frozen_postgres.py",
    ),
    *("tests/slots/test_hammer.py", "tests/slots/test_model_gate.py", "tests/rules/test_cron_clock.py"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Of the run, once; each of its processes has a folder in it. Postgres makes a thousand files for each of its own.
    if config.option.basetemp is None:
        held = ExitStack()
        config.add_cleanup(held.close)
        folder = held.enter_context(folder_in_memory())
        config.option.basetemp = folder and folder / "tests"
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    # Hundreds of processes are started: each would compile all of us again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    adopt_orphans()
    # Whoever runs us in the background of a shell hands down that Ctrl-C is ignored; a test sends it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and found by then will stay: to look for garbage in it, again and again, is a tenth of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Still at random, among the long and among the others."""
    items.sort(key=lambda it: not it.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """What is there before the first test stays to the end: whoever looks for garbage need not look through it."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In continuous integration everything is installed, so a skipped test is a test that broke."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    # The session's servers, and the connection to one of them, start with the first test that asks for them: they are
    # not that test's doing.
    if {"servers", "database_url", "redis_url"} & set(request.fixturenames):
        request.getfixturevalue("maker")
    if "start" in request.fixturenames:
        request.getfixturevalue("nursery")
    with nothing_left():
        yield
