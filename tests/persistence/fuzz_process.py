"""Load changed files in a process of bounded memory, and say what happened.

    python fuzz_process.py FOLDER SEED COUNT FILE...

Backbones and networks that a file asks for are passed. Prints one JSON object. Started
by ``test_fuzz.py``, with the folder for a file that is written again and again.
"""

import collections
import json
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

from mutations import Mutator
from own_parts import BROUGHT

from neuraleig import load
from neuraleig.persistence import ModelFileError

# Bytes beyond those of the interpreter with its libraries.
MEMORY = 512 * 2**20
# Bytes that may really be in use beyond them, and seconds of a file.
RESIDENT = 96 * 2**20
SECONDS = 10
# What runs something, reaches out, or reads something else.
FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "socket.getaddrinfo",
    "pickle.find_class",
    "ctypes.dlopen",
    "os.remove",
    "os.mkdir",
    "os.rename",
)


class Watch:
    """Hook that notes what happens while a file is loaded."""

    def __init__(self, path):
        self.path = str(path)
        self.events = []
        self.is_on = False

    def __call__(self, event, arguments):
        if self.is_on and (
            event in FORBIDDEN or (event == "open" and str(arguments[0]) != self.path)
        ):
            self.events.append(f"{event} {str(arguments)[:200]}")


def too_long(*_):
    raise TimeoutError(f"more than {SECONDS} s")


def loaded(path):
    """The model of a file, with what it says is to be passed."""
    try:
        return load(path, device="cpu")
    except ModelFileError as error:
        brought = {
            name: part for name, part in BROUGHT.items() if f" {name}=" in str(error)
        }
        if not brought:
            raise
    return load(path, device="cpu", **brought)


def tried(path, watch):
    """What loading a file comes to: an outcome, and what is wrong with it."""
    watch.is_on = True
    signal.alarm(SECONDS)
    try:
        model = loaded(path)
    except ModelFileError as error:
        # A lack of memory would be hidden by it.
        is_short = "allocate" in str(error) or "\n" in str(error)
        return "refused", str(error) if is_short or len(str(error)) > 2_000 else None
    except BaseException:
        return "failed", traceback.format_exc()[-2_000:]
    finally:
        signal.alarm(0)
        watch.is_on = False
    return f"loaded {type(model).__name__}", None


def main(folder, seed, count, paths):
    mutator = Mutator([Path(p) for p in paths], seed)
    path = Path(folder, "changed.safetensors")
    # What is imported when it is first used is no work of a file.
    for name in paths:
        # Errors of parameters quote objects.
        repr(loaded(name))
        path.write_bytes(Path(name).read_bytes()[:-1])
        tried(path, Watch(path))
    watch = Watch(path)
    sys.addaudithook(watch)
    # What warns was looked at too late.
    warnings.simplefilter("error")
    signal.signal(signal.SIGALRM, too_long)
    used = int(Path("/proc/self/statm").read_text().split()[0])
    bound = used * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes, wrong, slowest = collections.Counter(), [], 0.0
    for number in range(count):
        content = mutator.file()
        path.write_bytes(content)
        started = time.perf_counter()
        outcome, problem = tried(path, watch)
        slowest = max(slowest, time.perf_counter() - started)
        outcomes[outcome] += 1
        if problem or watch.events:
            Path(folder, f"wrong-{seed}-{number}").write_bytes(content)
            wrong.append([number, problem, watch.events[:3]])
            watch.events.clear()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = 1024 * (after - before)
    if grown > RESIDENT:
        wrong.append([None, f"memory has grown by {grown} bytes", []])
    report = {
        "outcomes": dict(outcomes),
        "wrong": wrong[:20],
        "slowest": slowest,
        "grown": grown,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
