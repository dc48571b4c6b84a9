"""Every Redis key: its name, its type, its meaning.

All keys carry the namespace as their hash tag, so that one script may touch them all on a Redis Cluster.
The gate's, all but `{ns}:epoch`, stand under their epoch, `{ns}:7:...`, so that a rebuild can load beside the old
state, and nothing of an older epoch can ever be mistaken for the present.

key (under the epoch)      type        meaning
firings                    hash        all that the gate knows of a firing, packed (MessagePack): workspace, lane,
                                       score, forced, title; of a lease also request, worker, abort. Without a
                                       request it is reserved or waits
holders                    sorted set  reservations and leases; score: expiry in ms; its size is the fleet's usage
reserved                   set         reservations only; one is as old as its start lease has run
used:<limit>               set         holders under any other limit; its size is the usage
caps                       hash        cap by limit (fleet, workspace:<id>, lane:<name>)
versions                   hash        version of the caps by limit changed since the rebuild; '': that of the rebuild
blocked, blocks            sorted set, limits that Postgres called full: until when, in ms; how long the last
                           hash        block was
queue:<workspace>:<lane>   sorted set  firings that wait; score: their place in line
forced                     sorted set  forced firings that wait for the next fill; score: their place in line
drained:<limit>            sorted set  forced firings that wait for a limit to let anybody start
queues                     set         names of queues that are not empty
lanes:<workspace>          sorted set  lanes (or '') of a workspace with somebody to start; score: the head's,
                                       or of an only lane that of an earlier one
parked:<lane>              sorted set  workspaces that wait for a slot of a lane
ready                      sorted set  workspaces in the round; score: virtual time
resting                    set         workspaces that left the round because their cap was full
vtime                      hash        a workspace's next virtual time; '': that of the last turn
workers, capacity          sorted set, living workers (score: until when, in ms); processes for firings
                           hash
leases:<worker>            set         firings that a worker leases
loading                    string      of an epoch that is being rebuilt: the number of its last part

key (under no epoch)       type        meaning
streams                    sorted set  interactive streams; score: until when, in ms, unless renewed
stream_places              hash        the workspace that a stream is about, '' for all
"""


def gate_root(namespace: str) -> str:
    """The prefix of all keys of one installation: the namespace as a hash tag."""
    return "{" + namespace + "}"


def epoch_key(namespace: str) -> str:
    """The string that says which epoch is current; absent while the gate has no memory."""
    return gate_root(namespace) + ":epoch"


def firings_key(namespace: str, epoch: int) -> str:
    """All that the gate knows of each firing, by its id."""
    return f"{gate_root(namespace)}:{epoch}:firings"


def streams_key(namespace: str) -> str:
    """The interactive streams that are active."""
    return gate_root(namespace) + ":streams"


def stream_places_key(namespace: str) -> str:
    """Which workspace each interactive stream is about."""
    return gate_root(namespace) + ":stream_places"
