"""What the end of a firing owes beside its rows and its slot: done while the next payload runs."""

from collections.abc import Callable

from shared.events import trouble

# Of some sixteen firings. What waits here is, for instance, that the next firing of a schedule may start.
_LONG = 48


class Owed:
    """Deeds that can wait a moment. If the process dies before, the reconciler and the next end make up for them."""

    def __init__(self) -> None:
        self._deeds: list[Callable[[], object]] = []

    def add(self, deed: Callable[[], object]) -> None:
        """Something for later."""
        self._deeds.append(deed)

    def pay_if_long(self) -> None:
        """So that nothing waits for long where there is never a moment."""
        if len(self._deeds) > _LONG:
            self.pay()

    def pay(self) -> None:
        """All of it, in order; what fails stops nothing else, and no payload."""
        while self._deeds:
            deed = self._deeds.pop(0)
            try:
                deed()
            except Exception as error:  # noqa: BLE001 a payload runs meanwhile, and must not be left alone
                trouble("owed.failed", error)
