"""Time of importing neuraleig against that of importing what it needs.

    python examples/benchmarks/import_time.py [--repeats 9]

Fresh processes take turns, so that caches of the disk and other programs are the same
for all; the first round is not counted. Times are those of the import statement, on the
clock, without the start of Python.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median

# neuraleig is last: it is compared with the others.
STATEMENTS = {
    "torch and sklearn": "import torch, sklearn",
    "torch and the parts of sklearn that are used": (
        "import torch, sklearn.cluster, sklearn.neighbors, sklearn.metrics"
    ),
    "neuraleig": "import neuraleig.estimators",
}
CODE = """
import time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""


def seconds(statement: str) -> float:
    """Seconds of a statement in a process of its own."""
    command = [sys.executable, "-c", CODE.format(statement=statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measured(repeats: int) -> dict[str, float]:
    """Median seconds of every statement, by turns."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for repeat in range(repeats + 1):
        for name, statement in STATEMENTS.items():
            found = seconds(statement)
            if repeat:
                times[name].append(found)
    return {name: median(found) for name, found in times.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    times = measured(parser.parse_args().repeats)
    ours = times["neuraleig"]
    print("| import | median, s | neuraleig takes |")
    print("| --- | --- | --- |")
    for name, found in times.items():
        print(f"| {name} | {found:.2f} | {ours / found:.2f} x |")


if __name__ == "__main__":
    main()
