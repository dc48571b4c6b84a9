"""The broken builds of `make chaos-controls` still break what they are made to break."""

from pathlib import Path

import pytest

from tests.chaos.controls import CONTROLS, Control, apply
from tests.chaos.members import ROOT


@pytest.mark.parametrize("control", CONTROLS, ids=lambda it: it.name)
def test_each_change_of_a_broken_build_fits_the_code(control: Control, tmp_path: Path) -> None:
    """One that does not fit any more breaks nothing, and proves nothing; the run itself takes minutes to say so."""
    for patch in control.patches:
        copy = tmp_path / patch.file
        if not copy.exists() and patch.old:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text((ROOT / patch.file).read_text())
        if patch.old:
            assert apply(copy, patch), f"{patch.file} does not hold {patch.old!r}"
