"""Programs in processes of their own, without the seconds that imports take.

They are forked from a server that has imported the library and computed nothing, and
otherwise start as by ``python -c`` or ``python -m``: no other module is there yet.
What a variable of the environment changes on import needs an ordinary process.

They end without taking the interpreter apart, which takes torch half a second, unless
that is asked for.
"""

import atexit
import functools
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

# Bytes of a request, most of which is the environment.
LARGEST = 2**20
# Long since a busy machine takes its time.
MAX_SECONDS = 300


class Process:
    """A program that runs; what it prints is kept, unless there is a file for it."""

    def __init__(
        self,
        arguments,
        *,
        cwd=None,
        env=None,
        stdin=None,
        stdout=None,
        stderr=None,
        finalize=False,
    ):
        self._channel = _server()
        self._arguments = arguments
        self._kept = [
            None if file else tempfile.TemporaryFile() for file in (stdout, stderr)
        ]
        request = {
            "arguments": [str(argument) for argument in arguments],
            "cwd": str(cwd or Path.cwd()),
            "env": {**os.environ, **(env or {})},
            "finalize": finalize,
        }
        with Path(os.devnull).open("rb") as nothing:
            files = [stdin or nothing, stdout or self._kept[0], stderr or self._kept[1]]
            message = json.dumps(request).encode()
            socket.send_fds(self._channel, [message], [f.fileno() for f in files])
            self.pid = int(self._channel.recv(LARGEST))
        self._runs = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leave nothing behind, whatever has failed."""
        if self._runs:
            self.send_signal(signal.SIGKILL)
            self.wait()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=MAX_SECONDS):
        """What it came to, once it has ended."""
        self._channel.settimeout(timeout)
        try:
            self._channel.send(json.dumps(self.pid).encode())
            status = int(self._channel.recv(LARGEST))
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            self._channel.recv(LARGEST)
            raise
        finally:
            self._channel.settimeout(None)
            self._runs = False
        texts = [file and _content(file) for file in self._kept]
        return subprocess.CompletedProcess(self._arguments, status, *texts)


def run(arguments, *, check=False, timeout=MAX_SECONDS, **options):
    """What a program comes to, see ``subprocess.run``."""
    done = Process(arguments, **options).wait(timeout)
    if check and done.returncode:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return done


def _content(file):
    with file:
        file.seek(0)
        return file.read().decode()


@functools.cache
def _server():
    """Channel to the server of this process, which is started when it is needed."""
    own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    # Sets have another order than here, whatever it is.
    seed = "8" if os.environ.get("PYTHONHASHSEED") == "7" else "7"
    process = subprocess.Popen(
        [sys.executable, __file__, str(other.fileno())],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": seed},
        pass_fds=[other.fileno()],
        stdin=subprocess.DEVNULL,
        # Interrupts are meant for the tests.
        start_new_session=True,
    )
    other.close()
    # It ends with the channel.
    atexit.register(lambda: (own.close(), process.wait()))
    return own


def _requested(channel):
    """A request and its files, in a process of its own; none where all is done."""
    while True:
        message, files, *_ = socket.recv_fds(channel, LARGEST, 3)
        if not message:
            return None, []
        request = json.loads(message)
        if isinstance(request, int):
            _, status = os.waitpid(request, 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                return request, files
            for file in files:
                os.close(file)
        channel.send(str(answer).encode())


def _become(request, files):
    """Take the place that a program of its own would have."""
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8")
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _execute(kind, *arguments):
    """Run a program as the interpreter does, up to its end."""
    if kind == "-c":
        sys.path[0], sys.argv = "", ["-c", *arguments[1:]]
        exec(compile(arguments[0], "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        sys.path[0], sys.argv = "", list(arguments)
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(kind).parent), [kind, *arguments]
        runpy.run_path(kind, run_name="__main__")


def _import_library():
    import neuraleig.estimators  # noqa: F401

    gc.freeze()


def _end(program):
    """Run a program, and leave as the interpreter would, but at once."""
    status = 0
    try:
        program()
    except SystemExit as error:
        status = error.code or 0
        if not isinstance(status, int):
            sys.stderr.write(f"{status}\n")
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _import_library()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        request, files = _requested(channel)
    if request is not None:
        _become(request, files)
        program = functools.partial(_execute, *request["arguments"])
        program() if request["finalize"] else _end(program)
