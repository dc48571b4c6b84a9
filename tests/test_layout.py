"""The house: import names that nobody else uses."""

from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["beat", "console", "shared", "workers"])
def test_the_import_name_is_ours_alone(name: str) -> None:
    opened = import_module(name).__file__

    assert opened is not None
    assert Path(opened).is_relative_to(ROOT), f"another package {name} comes first on the path: {opened}"
    assert set(packages_distributions().get(name, ())) <= {"slotbeat"}
