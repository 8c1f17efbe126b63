"""The command as a user runs it: through processes."""

import os
import re
import sys
from pathlib import Path

import new_process
import pytest

import neuraleig
from neuraleig.cli import main

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def run(*arguments, cwd, **environment):
    return new_process.run(["-m", "neuraleig", *arguments], cwd=cwd, env=environment)


def assert_one_line(stderr, *parts):
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("neuraleig")
    for part in parts:
        assert part in stderr


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    """One run with every default but the data set, from a folder of its own."""
    folder = tmp_path_factory.mktemp("user")
    # Saving must need no display, whatever backend is set.
    return folder, run("demo", "--dataset", "wine", cwd=folder, MPLBACKEND="qtagg")


def test_demo_ends_well_and_says_nothing_on_stderr(wine):
    _, done = wine
    assert (done.returncode, done.stderr) == (0, "")


def test_demo_prints_one_aligned_row_per_method(wine):
    lines = wine[1].stdout.splitlines()
    assert lines[0] == (
        "wine: 178 rows, 13 features, 3 classes; 124 training rows, 54 test rows, "
        "seed 0"
    )
    rule = next(i for i, line in enumerate(lines) if set(line) == {"-"})
    header, rows = lines[rule - 1], lines[rule + 1 : rule + 4]
    assert [row[:26].strip() for row in rows] == [
        "neuraleig",
        "KMeans",
        "SpectralClustering + 10-NN",
    ]
    assert {len(line) for line in [header, *rows]} == {len(lines[rule])}
    for row in rows:
        assert re.fullmatch(
            r"[01]\.\d{3} +[01]\.\d{3} +\d\.\d{3} +\d+\.\d\d +[\d,]+", row[28:].strip()
        )


def test_demo_saves_two_images_and_names_them_as_they_can_be_opened(wine):
    folder, done = wine
    saved = re.fullmatch(r"Saved (\S+) and (\S+)", done.stdout.splitlines()[-1])
    assert saved.groups() == (
        str(Path("neuraleig-demo", "embedding.png")),
        str(Path("neuraleig-demo", "spectrum.png")),
    )
    for name in saved.groups():
        assert (folder / name).read_bytes().startswith(PNG_SIGNATURE)


def test_demo_without_matplotlib_prints_the_table_and_what_to_install(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--dataset", "iris"]) == 0
    text, errors = capsys.readouterr()
    assert errors == ""
    assert "SpectralClustering + 10-NN" in text
    assert "pip install matplotlib jinja2 (extra 'plot')" in text.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_without_typer_the_command_says_what_to_install():
    # In a process of its own: modules that are imported a second time in this one would
    # leave their package with two copies, and later tests would patch the wrong one.
    code = (
        "import sys; sys.modules['typer'] = None; from neuraleig.cli import main; "
        "sys.exit(main(['--version']))"
    )
    done = new_process.run(["-c", code])
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr, "pip install typer pyarrow tqdm (extra 'cli')")


def test_output_that_is_a_file_fails_before_any_fit(tmp_path, monkeypatch, capsys):
    file = tmp_path / "taken"
    file.write_text("mine")
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--output", "taken"]) == 1
    text, errors = capsys.readouterr()
    assert text == ""
    assert_one_line(errors, "taken", "is a file", "--output")
    assert file.read_text() == "mine"


def test_a_reader_that_leaves_ends_the_command_without_a_traceback(tmp_path):
    # The reading end is closed before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = new_process.run(
            ["-m", "neuraleig", "segment", "evaluate", "--layouts"],
            cwd=tmp_path,
            stdout=pipe,
        )
    assert (done.returncode, done.stderr) == (1, "")


def status_of(capsys, *arguments):
    return main(arguments), *capsys.readouterr()


def test_version_is_that_of_the_package(tmp_path):
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"neuraleig {neuraleig.__version__}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("demo", "--help")])
def test_help_shows_examples_within_the_width_of_a_terminal(
    capsys, monkeypatch, arguments
):
    monkeypatch.setenv("COLUMNS", "80")
    status, text, errors = status_of(capsys, *arguments)
    assert (status, errors) == (0, "")
    assert "examples:\n  neuraleig demo " in text
    assert max(map(len, text.splitlines())) <= 80


def test_help_of_the_demo_names_every_option_and_data_set(capsys):
    _, text, _ = status_of(capsys, "demo", "--help")
    for word in [
        "--dataset",
        "--random-state",
        "--output",
        "--no-plots",
        "digits",
        "circles",
    ]:
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ["command"]),
        (("dance",), ["dance"]),
        (("demo", "--dataset", "mnist"), ["--dataset", "mnist", "digits"]),
        (("demo", "--random-state", "one"), ["--random-state", "one", "integer"]),
        (("demo", "--random-state", "-1"), ["--random-state", "-1"]),
        (("demo", "--random-state", str(2**32)), ["--random-state", str(2**32)]),
        (("demo", "--no-plot"), ["--no-plot"]),
        (("demo", "--output"), ["--output"]),
    ],
)
def test_wrong_arguments_leave_with_status_two_and_one_line(capsys, arguments, parts):
    status, text, errors = status_of(capsys, *arguments)
    assert (status, text) == (2, "")
    assert_one_line(errors, "--help", *parts)
