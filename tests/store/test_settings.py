"""Settings: the environment over the table over the default, and what is not valid is named once."""

import logging
from uuid import uuid4

import pytest

from shared import settings
from shared.store import settings as stored
from tests.store.rows import Rows

BAD = ["abc", "-1", "1.5", "NaN", "", "٣", "1_0", "10001", "inf", "1e3", "0x10"]


def found(key: str, environ: dict[str, str], table: dict[str, str]) -> tuple[object, str]:
    [it] = [it for it in settings.resolve(environ, table) if it.key == key]
    return it.value, it.source


def test_the_environment_goes_before_the_table_and_that_before_the_default() -> None:
    """CFG-1."""
    variable, table = {"SLOTBEAT_MAX_CONCURRENT": "7"}, {"max_concurrent": "5"}

    assert found("max_concurrent", variable, table) == (7, "environment")
    assert found("max_concurrent", {}, table) == (5, "table")
    assert found("max_concurrent", {}, {}) == (2, "default")


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_value_falls_back_to_the_next_source(bad: str) -> None:
    variable, table = {"SLOTBEAT_MAX_CONCURRENT": bad}, {"max_concurrent": "5"}

    assert found("max_concurrent", variable, table) == (5, "table")
    assert found("max_concurrent", variable, {"max_concurrent": bad}) == (2, "default")


@pytest.mark.parametrize("bad", ["nan", "inf", "-0.1", "", "1e400", "٣"])
def test_a_bad_span_falls_back_too(bad: str) -> None:
    assert found("reap_grace_s", {"SLOTBEAT_REAP_GRACE_S": bad}, {}) == (15.0, "default")


@pytest.mark.parametrize("bad", ["localhost", "10.1.0.1/16", "10.1.0.0/16,10.2.0.0/16", "10.1.0.0/16 nowhere"])
def test_networks_that_are_none_are_a_bad_value_and_open_nothing(bad: str) -> None:
    """CFG-1."""
    assert settings.read({"SLOTBEAT_ALLOWED_NETWORKS": bad}).allowed.networks == ()
    with pytest.raises(settings.BadSetting, match=r"allowed_networks takes networks .* 10\.1\.0\.0/16, not"):
        settings.parse("allowed_networks", bad)


def test_networks_are_as_many_as_one_likes() -> None:
    given = {"SLOTBEAT_ALLOWED_NETWORKS": " 127.0.0.0/8  fd00::/8 10.1.2.3 "}

    assert settings.read(given).allowed.networks == ("127.0.0.0/8", "fd00::/8", "10.1.2.3")


def test_a_bad_value_is_named_once_with_its_source_and_place(caplog: pytest.LogCaptureFixture) -> None:
    """CFG-1."""
    bad = f"bad-{uuid4()}"

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            settings.read({"SLOTBEAT_MAX_CONCURRENT": bad}, {"max_concurrent": bad})

    told = [it.getMessage() for it in caplog.records if bad in it.getMessage()]
    assert len(told) == 2
    assert all('instead=2 instead_from="default"' in it for it in told)
    assert "environment" in told[0]
    assert "SLOTBEAT_MAX_CONCURRENT" in told[0]
    assert "table" in told[1]


def test_zero_is_a_cap_and_the_bounds_belong_to_the_range() -> None:
    assert settings.parse("max_concurrent", "0") == 0
    assert settings.parse("max_concurrent", " 10000 ") == 10_000
    assert settings.parse("max_turns", "none") is None


def test_the_fleet_cap_is_told_from_limits_once_somebody_has_set_it(rows: Rows) -> None:
    stored.store(rows.sql, "pressure_delay_s", "7", "me")
    stored.store(rows.sql, "max_concurrent", "99", "me")
    before = stored.load(rows.sql)

    rows.cap("fleet", 4)

    assert before == {"pressure_delay_s": "7"}
    assert stored.load(rows.sql) == {"pressure_delay_s": "7", "max_concurrent": "4"}
