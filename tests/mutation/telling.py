"""A plug-in for pytest in a copy: writes each failure as a line of JSON, for the one who started it."""

import json
import os
from pathlib import Path

import pytest

TOLD = "MUTATION_TOLD"
MOST = 6_000


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _tell(report.nodeid, report.longreprtext)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _tell(report.nodeid, report.longreprtext)


def _tell(test: str, words: str) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    with Path(os.environ[TOLD]).open("a") as file:
        file.write(json.dumps({"test": test, "words": words[-MOST:]}) + "\n")
