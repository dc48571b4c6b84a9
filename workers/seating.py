"""Running firings whose leases the gate has lost are told to it again, and none of them that is ending just now."""

from collections.abc import Sequence

from shared.admission import Admission, seat
from shared.gate import Gate
from shared.store import running
from shared.store.running import Running


def seat_again(admission: Admission, forgotten: Sequence[Running]) -> list[Running]:
    """Gives running firings, which the gate forgot, their leases again; those that run indeed.

    A settle gives its slot on before its commit (`workers/relay.py`), with its attempt locked: it is passed over, and
    looked at again by the next who comes round. One that begins now waits for the gate's answer here, and then gives
    back what was seated.
    """

    def seated(gate: Gate) -> list[Running]:
        with admission.database.transaction() as connection:
            held = running.hold_live(connection, [it.request_id for it in forgotten])
            live = [it for it in forgotten if it.request_id in held]
            if live:
                gate.seat([seat(it) for it in live])
        return live

    return admission.ask(seated) if forgotten else []
