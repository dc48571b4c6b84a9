"""One message's firings: the one that it names, then those that each end makes room for."""

from functools import partial
from uuid import UUID

from shared.clock import boottime, monotonic
from workers import monitors, shop
from workers.claim import Claimed, claim
from workers.execute import pass_on, see_through
from workers.owed import Owed
from workers.relay import Relay
from workers.settle import Settled
from workers.station import Station

# Firings that one message may bring about, and for how long it goes on: soon Celery is to have its process back, to
# replace it, stop it, or give it something else. After payloads of a minute a message more is no time.
LONGEST_CHAIN = 100
LONGEST_CHAIN_S = 60.0


class Chain:
    """How far it has come, and whether it goes on."""

    def __init__(self) -> None:
        self._begun, self.so_far = monotonic(), 0
        self._news: list[monitors.News] = []

    def may_go_on(self) -> bool:
        """Whether this process may take one more."""
        is_short = self.so_far < LONGEST_CHAIN and monotonic() - self._begun < LONGEST_CHAIN_S
        return is_short and shop.is_open()

    def keep(self, news: list[monitors.News]) -> None:
        """For Celery's monitors, in one message with what else they are to be told by then."""
        self._news += news

    def tell(self, station: Station) -> None:
        """All that was kept."""
        news, self._news = self._news, []
        monitors.tell(station, news)


def execute(station: Station, firing: UUID, celery_id: str | None) -> str:
    """Runs a firing, if it may run now, then those that its end makes room for; what became of the first, in a word.

    A process that has freed a slot is free itself, and knows who is next: it needs no message to go on. What an
    end owes beside its rows and its slot is done while the next payload runs.
    """
    claimed = claim(station, firing, celery_id)
    chain, owed, first = Chain(), Owed(), "not claimed"
    try:
        while claimed is not None:
            chain.so_far += 1
            relay = Relay(station, claimed.attempt, chain.may_go_on)
            settled = see_through(station, claimed, owed, relay)
            first = settled.status or settled.answer if chain.so_far == 1 else first
            claimed = follow(station, claimed, settled, relay, owed, chain)
    finally:
        owed.pay()
    return first


def follow(
    station: Station, ended: Claimed, settled: Settled, relay: Relay, owed: Owed, chain: Chain
) -> Claimed | None:
    """Gives the slot back; the next in line, claimed for this process, if there is one that it may run."""
    admission, attempt = station.admission, ended.attempt
    may_go_on = chain.may_go_on()
    next_ones = relay.give_back()
    if next_ones:
        owed.add(lambda: admission.hand_over(pass_on(station, attempt, settled)))
    else:
        next_ones = pass_on(station, attempt, settled)
    taken = relay.taken(next_ones[0].firing) if next_ones else None
    mine = next_ones[0] if next_ones and (taken is not None or may_go_on) else None
    admission.hand_over(next_ones if mine is None else next_ones[1:])
    following = None if mine is None else claim(station, mine.firing, relay.celery_id, taken)
    chain.keep(_news(ended, settled, following, chain.so_far))
    owed.add(partial(chain.tell, station))
    return following


def _news(ended: Claimed, settled: Settled, following: Claimed | None, so_far: int) -> list[monitors.News]:
    """What Celery does not tell itself, for it knows of one message: that it ended, when others follow; of them all."""
    news: list[monitors.News] = []
    if following is not None or so_far > 1:
        told = settled.status or settled.answer
        news.append(monitors.ended(ended.celery_id or "", told, boottime() - ended.asked_at))
    if following is not None:
        about = following.attempt
        news += monitors.began(following.celery_id or "", about.title, str(about.firing_id))
    return news
