"""Which time zones are accepted, and that their spans are those of the zone's own clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.zones import EPOCH, BadZone, canonical_zone, parse_zone, span_at

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("europe/paris", "Europe/Paris"),
        ("EUROPE/PARIS", "Europe/Paris"),
        ("utc", "UTC"),
        ("Europe/Kiev", "Europe/Kiev"),
        ("asia/calcutta", "Asia/Calcutta"),
        ("Australia/Lord_Howe", "Australia/Lord_Howe"),
        ("etc/gmt-2", "Etc/GMT-2"),
    ],
)
def test_a_zone_is_found_in_any_case_and_kept_in_its_own(written, kept):
    assert canonical_zone(written) == kept
    assert parse_zone(written).key == kept


@pytest.mark.parametrize(
    ("written", "code", "says"),
    [
        ("GMT+2", "timezone_offset", "Etc/GMT-2"),
        ("UTC+2", "timezone_offset", "Etc/GMT-2"),
        ("utc-05:00", "timezone_offset", "Etc/GMT+5"),
        ("+02:00", "timezone_offset", "Etc/GMT-2"),
        ("+00:00", "timezone_offset", "UTC"),
        ("+99:00", "timezone_offset", "Europe/Berlin"),
        ("Z", "timezone_unknown", "UTC"),
        ("local", "timezone_unknown", "IANA"),
        ("localtime", "timezone_unsupported", "IANA"),
        ("LocalTime", "timezone_unsupported", "IANA"),
        ("posixrules", "timezone_unsupported", "IANA"),
        ("Factory", "timezone_unsupported", "IANA"),
        ("right/UTC", "timezone_unsupported", "IANA"),
        ("posix/Europe/Paris", "timezone_unsupported", "IANA"),
        ("", "timezone_empty", "IANA"),
        ("  ", "timezone_empty", "IANA"),
        (" UTC", "timezone_unknown", "IANA"),
        ("Europe", "timezone_unknown", "IANA"),
        ("../../etc/passwd", "timezone_unknown", "IANA"),
        ("UTC\x00", "timezone_unknown", r"\x00"),
        ("\ud800", "timezone_unknown", r"\ud800"),
        ("Europe/Paris" * 9000, "timezone_unknown", "IANA"),
        (None, "timezone_empty", "IANA"),
        (5, "timezone_empty", "IANA"),
        (b"UTC", "timezone_empty", "IANA"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_zone_is_refused_with_one_that_is(written, code, says):
    with pytest.raises(BadZone) as refusal:
        parse_zone(written)

    assert (refusal.value.field, refusal.value.code) == ("timezone", code)
    assert says in refusal.value.message
    assert len(refusal.value.message) < 300


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(
        ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Gaza", "Pacific/Apia", "UTC"]
    ),
    minute=st.integers(3_000_000, 60_000_000),
)
def test_a_span_holds_its_minute_with_one_offset_and_ends_where_that_changes(name, minute):
    zone = ZoneInfo(name)

    span = span_at(zone, minute)

    assert span.start <= minute < span.end
    for at in (span.start, minute, (span.start + span.end) // 2, span.end - 1):
        assert (EPOCH + MINUTE * at).astimezone(zone).utcoffset() == MINUTE * span.offset
    following = span_at(zone, span.end)
    assert following.start == span.end
    assert following.offset != span.offset or (EPOCH + MINUTE * span.end).strftime("%m-%d %H:%M") == "01-01 00:00"
    assert following.fresh == span.end + span.offset


def test_a_day_that_a_zone_skipped_is_a_gap_of_a_day():
    span = span_at(ZoneInfo("Pacific/Apia"), (datetime(2011, 12, 30, 10, tzinfo=UTC) - EPOCH) // MINUTE)

    assert span.start + span.offset - span.fresh == 24 * 60
