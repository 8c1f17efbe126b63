"""The command line starts without what its work needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from neuraleig._cli import _interface
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
