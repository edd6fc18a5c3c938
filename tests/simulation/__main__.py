"""python -m tests.simulation --seeds 1000000 --from 0 | --seed N"""

import argparse
import sys
import time
import traceback

from tests.simulation.history import History


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    if given.seed is not None:
        return 0 if _replayed(given.seed) else 1
    began = time.perf_counter()
    steps = 0
    for count, seed in enumerate(range(given.first, given.first + given.seeds), 1):
        history = History(seed)
        try:
            history.play()
        except Exception:  # noqa: BLE001  # whatever it was is told by the replay
            _replayed(seed)
            return 1
        steps += history.steps
        if count % 500 == 0:
            took = time.perf_counter() - began
            print(f"{count} histories, {count / took:.0f}/s, {steps} steps", flush=True)
    return 0


def _replayed(seed: int) -> bool:
    history = History(seed, traced=True)
    try:
        history.play()
    except Exception:  # noqa: BLE001  # told, with the trace
        print("\n".join(history.lines))
        traceback.print_exc(file=sys.stdout)
        print(f"seed {seed} fails")
        return False
    print("\n".join(history.lines))
    return True


if __name__ == "__main__":
    sys.exit(main())
