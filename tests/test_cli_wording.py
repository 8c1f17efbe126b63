"""Messages of commands name options and arguments, not parameters of Python."""

import re

import numpy as np
import pytest

from neuraleig._cli._wording import as_options, with_options
from neuraleig.cli import main

FIT = ("--hidden-sizes=8", "--training.max-iter=1", "--device=cpu")
# Names with underscores, keywords, values and the matrix of Python.
PYTHON = re.compile(r"(?<![-/\w.'])([a-z]+_[a-z_]+\b|[a-z]\w*=)|\bX\b|\bNone\b|\(\d+,")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("wording")
    rows = np.random.default_rng(0).normal(size=(40, 3))
    np.save(path / "rows.npy", rows)
    (path / "one.txt").write_text("a", encoding="utf-8")
    (path / "many.txt").write_text("a\n" * 41, encoding="utf-8")
    np.save(path / "few.npy", rows[:2])
    np.save(path / "equal.npy", np.ones((20, 3)))
    np.save(path / "large.npy", rows * 1e300)
    np.save(path / "wide.npy", np.hstack([rows, rows]))
    fit = ("fit", path / "rows.npy", "-o", path / "model", "--n-clusters=2", *FIT)
    assert main([str(word) for word in fit]) == 0
    return path


@pytest.mark.filterwarnings("default::neuraleig.affinity.GraphWarning")
@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("fit few.npy -o m", "--n-clusters=8 is more than the number of rows of DATA"),
        ("fit large.npy -o m", "DATA has values of up to"),
        ("fit rows.npy -o m --n-clusters=99", "lower --n-clusters"),
        ("fit rows.npy -o m --gamma=1", "leave it out"),
        ("fit rows.npy -o m --hidden-sizes=0", "--hidden-sizes=0 must be one"),
        ("fit rows.npy -o m --training.temperature=1,2,3", "temperature=1,2,3 must"),
        ("fit rows.npy -o m --n-clusters=9 --max-clusters=3", "raise --max-clusters"),
        ("fit rows.npy -o m --checkpoint=few.npy", "--checkpoint='few.npy'"),
        ("fit wide.npy -o m --align-to=model", "--align-to='model' was fitted with 3"),
        ("choose rows.npy --training.init=random", "--max-clusters none"),
        ("choose equal.npy", "are no numbers to rank"),
        ("report model rows.npy -o r.html --texts one.txt", "--texts has 1 entries, "),
        ("report model rows.npy -o r.html --row-names many.txt", "the 40 rows of DATA"),
        ("predict model rows.npy --device=cuda:99", "--device='cuda:99'"),
        ("evaluate model wide.npy", "wide.npy has 6 columns"),
        ("export model -o m.onnx --image-size 3 3", "--image-size=3,3 is for"),
        ("export model -o m.onnx --dtype=uint8", "--dtype='uint8' is not supported"),
    ],
)
def test_errors_name_options(folder, monkeypatch, capsys, line, part):
    monkeypatch.chdir(folder)
    words = line.split()
    if words[0] in ("fit", "choose"):
        words += [w for w in FIT if w.partition("=")[0] not in line]
    assert main(words) == 1
    *warned, error = capsys.readouterr().err.splitlines()
    assert part in error
    for message in (*warned, error):
        text = message.replace("(see neuraleig", "")
        assert not PYTHON.search(text), text


@pytest.mark.filterwarnings("default::neuraleig.affinity.GraphWarning")
def test_warnings_name_options(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    words = ["fit", "rows.npy", "-o", "m", "--n-clusters=2", "--n-neighbors=99"]
    assert main([*words, *FIT]) == 0
    error = capsys.readouterr().err
    assert "warning: --n-neighbors=99 is not below" in error


def test_parts_are_named_by_the_nearest_option():
    words = {"clusterer__head": "--clusterer.head", "training__tol": "--training.tol"}
    words |= {"clusterer__training__head": "--clusterer.training.head"}
    with pytest.raises(KeyError) as caught, as_options(words):
        raise KeyError("head='x', tol=3 and 'tol'")
    assert caught.value.args == ("--clusterer.head='x', --training.tol=3 and 'tol'",)


@pytest.mark.parametrize(
    "text",
    [
        "no file /data/n_clusters/x",
        "column 'n_clusters' of a.csv",
        "X-ray",
        "n-clusters",
    ],
)
def test_paths_and_words_stay(text):
    words = {"n_clusters": "--n-clusters", "X": "DATA"}
    assert with_options(text, words) == text
