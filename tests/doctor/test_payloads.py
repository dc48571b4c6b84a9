"""What the doctor says of processes that carry a token."""

from console.doctor.payloads import payloads
from shared.store.processes import installation
from tests.doctor.conftest import Ward
from tests.running import Start, Started

SOUND = ("ok", "none on this host goes on for an attempt that does not run", ())


def payload(ward: Ward, start: Start, token: int, of: object = None) -> Started:
    environment = {"SLOTBEAT_INSTALLATION": str(of or installation(ward.rows.sql)), "SLOTBEAT_TOKEN": str(token)}
    return start("sleep", "600", env=environment)


def test_a_payload_whose_attempt_runs_is_well(ward: Ward, start: Start) -> None:
    token = ward.rows.running().token
    payload(ward, start, token)

    assert ward.one(payloads) == SOUND


def test_a_payload_that_outlived_its_attempt_is_named_with_its_remedy(ward: Ward, start: Start) -> None:
    """SLT-11."""
    token = ward.rows.running().token
    left = payload(ward, start, token + 7)

    assert ward.one(payloads) == (
        "fail",
        f"process {left.pid} carries token {token + 7}, whose attempt does not run",
        (f"kill -9 {left.pid}", "slotbeat worker  # which ends such strays when it starts"),
    )


def test_a_payload_that_is_about_to_end_and_one_of_another_installation_are_no_findings(
    ward: Ward, start: Start
) -> None:
    ending = payload(ward, start, 7)
    ward.patient.pause = lambda _: ending.kill()
    payload(ward, start, 8, of="another")

    assert ward.one(payloads) == SOUND
