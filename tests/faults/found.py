"""What runs found, for the page: whoever mends what a run has found writes it down here, with the seed."""

FOUND = """
## Found on the way

What runs of the harness showed to be wrong in the product, and what was done; the seeds show it on the build of their time only.

| found by | what was wrong | now |
| --- | --- | --- |
| nats3, seeds 3403 and 3406: the low lane stayed full for two minutes | when a connection to the log came back before anything fell silent, the reader went on and nothing of its shard might be purged any more | it reads again (`tests/reno/adapters/test_purging.py`) |
| a rolling restart of three log servers under load | an envelope whose confirmation was lost was repeated by the door, and stored a second time by a server that had been started anew: its receipts named that place | such a receipt names none (0) |
| short run, clock an hour ahead and back while a page was read | the page was dated by the clock before its reading, and showed what was expired by then | it is dated when what expired is dropped (`tests/gateway/devices/test_pull.py`) |
| embedded, frozen owners: an event was seen at two places | two owners of a shard left holes in each other's windows | an owner looks at the journal before each batch |
| embedded, clock an hour ahead | a page that was asked for before an event expired and made after it showed the event | expiry is judged when the page is made |
| short runs that hung, unexplained for days | a cancellation that met the answer of a call of nats-py was lost before Python 3.12 | `reno/adapters/heeding.py`; `asyncio.wait_for` is banned from the product |
| slow ways | a new connection had 100 ms for its first attempt | it has what its call has |
| stalled devices | a stream whose first frame blocked could not be ended | it is ended beside its write (`tests/gateway/devices/test_endings.py`) |
| power loss under the default `sync_interval` | processors ignored `log.require_synced` | they wait for a server that syncs |
| embedded, seed 10119: merged-away | nothing: the checker counted what a reader from its acknowledgements had passed before its lane began | it takes such a lane to begin as far as the reader had come (`tests/faults/test_checker.py`) |
| nats3 over h2, seed 12403: false-caught-up | nothing: a stalled device read a frame 20 s late, which a clock an hour ahead had dated, and the checker took it for fresh | such a frame is no older than the one before it (`tests/faults/test_checker.py`) |
| mesh and embedded over grpcio, seeds 12304 and 12821: a role "ended with -15" | nothing: a rolling restart began a second after a kill, and ended a process that was not started yet | a process that is asked to end has a handler for it (`tests/e2e/test_member.py`) |
| three log servers, the leader cut off and back, on a busy machine | a shard's reader was given a consumer on the server that was half a minute behind, and waited with it, heartbeats and all | a tail that gets nothing asks the leader, and begins another consumer (`tests/reno/adapters/test_nats_log.py`) |
| herds | gRPC itself cancelled calls from 1,000 waiting on | `server.max_waiting_calls` |
| herds | a gateway that was slow once had all its sessions of a shard read again | it is handed what it missed |
| fleet, a cut between processors | processors that heard nobody took each other's shards | who hears nobody keeps what it has |
"""
