"""What the doctor says of settings."""

from console.doctor import knobs
from tests.doctor.conftest import Ward


def store(ward: Ward, key: str, value: str) -> None:
    ward.rows.all("insert into settings (key, value) values (%s, %s) returning key", key, value)


def test_defaults_are_well(ward: Ward) -> None:
    assert ward.one(knobs.settings)[0] == "ok"
    assert ward.one(knobs.cap) == ("ok", "2, and nobody asks for another", ())


def test_a_variable_that_its_setting_does_not_take(ward: Ward) -> None:
    ward.environ["SLOTBEAT_DEAD_TICKS"] = "1.5"

    assert ward.one(knobs.settings) == (
        "warn",
        "SLOTBEAT_DEAD_TICKS: dead_ticks takes a whole number from 1 to 100, not '1.5'; it is passed over",
        ("unset SLOTBEAT_DEAD_TICKS",),
    )


def test_a_row_that_its_setting_does_not_take(ward: Ward) -> None:
    store(ward, "reap_every_s", "NaN")

    level, words, remedy = ward.one(knobs.settings)

    assert (level, remedy) == ("warn", ("slotbeat settings reap_every_s 10.0",))
    assert words.startswith("reap_every_s takes a number of seconds")


def test_a_variable_that_hides_what_was_set(ward: Ward) -> None:
    store(ward, "exit_grace_s", "100")
    ward.environ["SLOTBEAT_EXIT_GRACE_S"] = "100.0"
    assert ward.one(knobs.settings)[0] == "ok"

    ward.environ["SLOTBEAT_EXIT_GRACE_S"] = "200"
    assert ward.one(knobs.settings) == (
        "warn",
        "SLOTBEAT_EXIT_GRACE_S=200 hides exit_grace_s 100, which was set in the table",
        ("unset SLOTBEAT_EXIT_GRACE_S", "slotbeat settings exit_grace_s 200"),
    )


def test_a_variable_that_is_nearly_a_setting(ward: Ward) -> None:
    ward.environ |= {"SLOTBEAT_MAX_CONCURENT": "3", "SLOTBEAT_URL": "http://127.0.0.1", "SLOTBEAT_INSTALLATION": "x"}

    assert ward.one(knobs.settings) == (
        "warn",
        "SLOTBEAT_MAX_CONCURENT is no setting; SLOTBEAT_MAX_CONCURRENT is",
        ("unset SLOTBEAT_MAX_CONCURENT", "export SLOTBEAT_MAX_CONCURRENT="),
    )


def test_this_shell_asks_for_another_cap_than_the_one_that_stands(ward: Ward) -> None:
    ward.environ["SLOTBEAT_MAX_CONCURRENT"] = "2"
    assert ward.one(knobs.cap)[0] == "ok"

    ward.environ["SLOTBEAT_MAX_CONCURRENT"] = "9"
    assert ward.one(knobs.cap) == (
        "warn",
        "this shell was started with SLOTBEAT_MAX_CONCURRENT=9, the cap is 2",
        ("slotbeat limit set fleet 9", "unset SLOTBEAT_MAX_CONCURRENT  # there"),
    )


def test_a_cap_of_0_that_somebody_left_behind(ward: Ward) -> None:
    """As a drain before an upgrade does: nothing starts, and no pause says so."""
    ward.rows.cap("fleet", 0)

    assert ward.one(knobs.cap) == ("warn", "the fleet's cap is 0: nothing starts", ("slotbeat limit set fleet 2",))


def test_processes_that_disagree_about_the_cap_are_named(ward: Ward) -> None:
    ward.process(node="w1@here", facts={"cap_asked_for": "2"})
    ward.process(node="w2@there", facts={"cap_asked_for": "4"})
    ward.process(node="w3@there", facts={"cap_asked_for": None})
    ward.process("beat", "beat@here", facts={"cap_asked_for": "8"})

    assert [it.words for it in ward.told(knobs.cap)] == [
        "beat@here was started with SLOTBEAT_MAX_CONCURRENT=8, the cap is 2",
        "w2@there was started with SLOTBEAT_MAX_CONCURRENT=4, the cap is 2",
    ]
