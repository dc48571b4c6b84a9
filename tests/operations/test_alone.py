"""Beat and workers as `slotbeat beat` and `slotbeat worker` start them: Celery's command, and nobody else's."""

import os
import subprocess
import sys

import pytest

HERE = {"DATABASE_URL": "postgresql://localhost/none", "REDIS_URL": "redis://localhost"}


@pytest.mark.parametrize(("module", "option"), [("beat", "--schedule"), ("workers", "--concurrency")])
def test_a_program_imports_no_command_but_its_own(module: str, option: str) -> None:
    """Celery's command line would import all of them, and Flower's with its web server: 14 MB of each process."""
    argv = [sys.executable, "-X", "importtime", "-m", module, "--help"]

    told = subprocess.run(argv, env={**os.environ, **HERE}, capture_output=True, text=True, check=True)

    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert option in told.stdout
    assert "celery.bin.base" in imported
    assert not {"flower", "tornado", "prompt_toolkit", "celery.bin.celery", "console", "fastapi"} & imported
