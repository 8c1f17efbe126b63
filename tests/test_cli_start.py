"""The command line starts without what its work needs."""

import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neuraleig._cli import _interface
from neuraleig.cli import main
from neuraleig.persistence import describe
from neuraleig.persistence._plain_file import SCHEMA

# What takes long to import. Not numpy in commands that read a file.
HEAVY = {"torch", "sklearn", "scipy"}
ALSO_OF_HELP = HEAVY | {"numpy", "pandas", "pyarrow"}
# Runs the command of its arguments, and then shows the modules that are there.
PROGRAM = """
import sys
from neuraleig.cli import main
status = main(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
sys.exit(status)
"""


def imported(*arguments, status=0, **environment):
    """Modules that a command imports in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.split())


def test_generated_files_are_those_of_the_functions_and_classes():
    """After a change of a docstring or default: python -m neuraleig._cli._interface."""
    for path, text in _interface.written().items():
        assert path.read_text("utf-8") == text, path


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["fit", "--help"], 0),
        (["segment", "evaluate", "--help"], 0),
        (["fit", "--n-cluster", "3"], 2),
        (["predict", "model"], 2),
        (["fit", "rows", "-o", "model", "--n-clusters", "none"], 2),
        (["fit", "rows", "-o", "model", "--training.lr=-1"], 2),
    ],
)
def test_help_and_wrong_lines_import_nothing_that_is_slow(arguments, status):
    assert ALSO_OF_HELP.isdisjoint(imported(*arguments, status=status))


MODELS = Path(__file__).parent / "fixtures" / "models" / f"schema-{SCHEMA}"


@pytest.mark.parametrize("name", ["clustering_argmax", "pipeline", "segmenter"])
def test_descriptions_of_files_import_no_torch(name):
    assert HEAVY.isdisjoint(imported("info", MODELS / f"{name}.safetensors"))


@pytest.mark.parametrize(
    "arguments",
    [
        ("name", "clustering_argmax", "--name=0=gold"),
        ("name", "pipeline", "--name=1=gold"),
        ("segment", "name", "segmenter", "--name=0=sky", "--merge=0,1"),
    ],
)
def test_names_import_no_torch(arguments, tmp_path):
    *command, model, option = arguments[: 3 if arguments[0] == "name" else 4]
    path = MODELS / f"{model}.safetensors"
    rest = arguments[len(command) + 2 :]
    output = ("-o", tmp_path / "named")
    assert HEAVY.isdisjoint(imported(*command, path, option, *rest, *output))
    assert describe(tmp_path / "named").cluster_names


def test_completion_of_shells_imports_nothing_that_is_slow():
    asked = {
        "_NEURALEIG_COMPLETE": "complete_bash",
        "COMP_WORDS": "neuraleig fit --affinity ",
        "COMP_CWORD": "3",
    }
    assert ALSO_OF_HELP.isdisjoint(imported(**asked))


def ended(*statements):
    """What a program comes to whose last statement is the script of the command."""
    lines = ["import sys", "from neuraleig.cli import script", *statements, "script()"]
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines), "--version"],
        capture_output=True,
        text=True,
    )


def test_the_script_ends_without_taking_the_interpreter_apart():
    done = ended(
        "import atexit, tempfile, weakref",
        "folder = tempfile.TemporaryDirectory()",
        "atexit.register(lambda: print('handlers are called', folder.name))",
        "class Part:",
        "    def __del__(self): print('taken apart')",
        "part = Part()",
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith("neuraleig ")
    assert lines[1].startswith("handlers are called")
    assert len(lines) == 2
    assert not Path(lines[1].split()[-1]).exists()


def test_the_script_waits_for_threads():
    done = ended(
        "import threading",
        "def work(): threading.main_thread().join(); print('worked')",
        "threading.Thread(target=work).start()",
    )
    assert (done.returncode, done.stdout.split()[-1]) == (0, "worked")


def test_the_script_has_the_status_of_the_command():
    done = ended("sys.argv[1:] = ['dance']")
    assert (done.returncode, done.stdout) == (2, "")
    assert "dance" in done.stderr


def in_shell(arguments, redirections):
    """What a line of a shell comes to."""
    line = shlex.join([sys.executable, "-m", "neuraleig", *map(str, arguments)])
    done = subprocess.run(
        ["sh", "-c", f"{line} {redirections}"], capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--version",), 0),
        (("--help",), 0),
        (("dance",), 2),
        (("info", MODELS / "clustering_argmax.safetensors"), 0),
        (("info", "nowhere"), 1),
    ],
)
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_programs_without_streams_are_quiet(arguments, status, closed):
    found = in_shell(arguments, " ".join(f"{number}>&-" for number in closed))
    assert found[0] == status
    for number in closed:
        assert number == 0 or found[number] == ""
    assert "Traceback" not in found[2]


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("is_closed", [False, True])
def test_commands_in_a_process_without_streams_are_quiet(
    monkeypatch, tmp_path, name, is_closed
):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, name, stream if is_closed else None)
    rows = np.random.default_rng(0).normal(size=(40, 2))
    np.save(tmp_path / "rows.npy", rows)
    fit = ["fit", tmp_path / "rows.npy", "-o", tmp_path / "m.safetensors", "--verbose"]
    fit += ["--n-clusters=2", "--hidden-sizes=8", "--training.max-iter=1"]
    assert main([str(word) for word in fit]) == 0
    assert describe(tmp_path / "m.safetensors").n_clusters == 2
    assert main(["dance"]) == 2
    assert main(["info", str(tmp_path / "nowhere")]) == 1
    assert getattr(sys, name) is (stream if is_closed else None)
