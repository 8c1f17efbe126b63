"""``neuraleig report`` as a user runs it."""

import io
import sys

import new_process
import numpy as np
import pytest
from PIL import Image
from sklearn.manifold import TSNE

from neuraleig import load, save
from neuraleig.cli import main
from neuraleig.report import write_report

TINY = {"n_exemplars": 2, "n_features": 3}
TINY_OPTIONS = ("--n-exemplars=2", "--n-features=3")


def call(*arguments):
    """Status and output of the command in this process."""
    out = io.StringIO()
    return main(["report", *map(str, arguments)], out), out.getvalue()


def failed(capsys, *arguments):
    """Line of an error that the command finds."""
    assert call(*arguments) == (1, "")
    errors = capsys.readouterr().err
    assert errors.startswith("neuraleig: error: ")
    assert errors.count("\n") == 1
    return errors


def refused(capsys, *arguments):
    """Line of an error in the arguments."""
    assert call(*arguments) == (2, "")
    return capsys.readouterr().err


@pytest.fixture(scope="module")
def model(clustering, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "rows.safetensors"
    save(clustering, path)
    return path


@pytest.fixture
def images_model(segmenter, tmp_path):
    path = tmp_path / "images.safetensors"
    save(segmenter.name_clusters({0: "sky"}), path)
    return path


@pytest.fixture
def photos(pictures, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, rgb in enumerate(pictures):
        Image.fromarray(rgb).save(folder / f"{number}.png")
    return folder


def test_the_page_is_that_of_write_report(model, rows, tmp_path):
    np.save(tmp_path / "rows.npy", rows)
    path = tmp_path / "page.html"
    options = (
        "--title=Blobs",
        "--date=2025-01-31",
        "--random-state=3",
        "--max-rows=40",
    )
    status, text = call(
        model, tmp_path / "rows.npy", "-o", path, *options, *TINY_OPTIONS
    )
    assert status == 0
    assert text == f"{path}: {path.stat().st_size} bytes\n"
    expected = write_report(
        load(model), rows, tmp_path / "expected.html", title="Blobs",
        date="2025-01-31", random_state=3, max_rows=40, **TINY,
    )  # fmt: skip
    assert path.read_bytes() == expected.read_bytes()


def test_another_process_writes_the_same_bytes(model, rows, tmp_path, monkeypatch):
    monkeypatch.setattr("neuraleig.plotting._layout.TSNE", TSNE)
    np.save(tmp_path / "rows.npy", rows)
    path = tmp_path / "page.html"
    done = new_process.run(
        ["-m", "neuraleig", "report", model, tmp_path / "rows.npy", "-o", path]
    )
    assert (done.returncode, done.stderr) == (0, "")
    own = tmp_path / "own.html"
    assert call(model, tmp_path / "rows.npy", "-o", own)[0] == 0
    assert path.read_bytes() == own.read_bytes()


def test_names_of_columns_are_on_the_page(model, rows, tmp_path, read_page):
    table = tmp_path / "rows.csv"
    names = [f"column {n}" for n in range(12)]
    np.savetxt(table, rows, delimiter=",", header=",".join(names), comments="")
    assert call(model, table, "-o", tmp_path / "page.html")[0] == 0
    page = read_page(tmp_path / "page.html")
    assert [one.text for one in page.one("ol").all("bdi")] == names


def test_rows_are_taken_from_a_pipe(model, rows, tmp_path, monkeypatch, read_page):
    lines = "".join(",".join(map(str, row)) + "\n" for row in rows[:30].tolist())
    stdin = io.TextIOWrapper(io.BytesIO(lines.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert call(model, "-", "-o", tmp_path / "page.html")[0] == 0
    page = read_page(tmp_path / "page.html")
    assert page.one("tfoot").all("td")[0].text == "30"


def test_a_folder_of_images_makes_a_sheet(images_model, photos, tmp_path, read_page):
    path = tmp_path / "page.html"
    assert call(images_model, photos, "-o", path, *TINY_OPTIONS)[0] == 0
    page = read_page(path)
    named = [one["value"] for one in page.all("input")]
    assert named == ["sky", "", ""]
    assert len(page.all("article")) == 3


def test_equal_names_are_merged_by_segment_name(images_model, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"0": "", "1": "wall", "2": "wall"}', encoding="utf-8")
    out = io.StringIO()
    arguments = ["segment", "name", images_model, "--names", names, "--merge-equal"]
    assert main(list(map(str, arguments)), out) == 0
    assert out.getvalue() == "   0  -\n   1  wall\n"
    merged = load(images_model)
    assert (merged.n_clusters_, merged.cluster_names_) == (2, {1: "wall"})


def test_names_that_differ_are_not_merged(images_model):
    out = io.StringIO()
    arguments = ["segment", "name", str(images_model), "--merge-equal"]
    assert main([*arguments, "--name", "1=wall"], out) == 0
    # Two without a name are not of one name.
    assert load(images_model).n_clusters_ == 3


def test_what_cannot_be_done_is_one_line(model, images_model, photos, tmp_path, capsys):
    np.save(tmp_path / "wide.npy", np.zeros((5, 13)))
    path = tmp_path / "page.html"
    for arguments, part in (
        ((model, tmp_path / "wide.npy", "-o", path), "13 columns"),
        ((model, photos, "-o", path), "suffix"),
        ((model, tmp_path / "none.npy", "-o", path), "none.npy"),
        ((model, tmp_path / "wide.npy", "-o", tmp_path), "--output"),
        ((images_model, tmp_path / "none", "-o", path), "none"),
        ((tmp_path / "none", photos, "-o", path), "none"),
    ):
        assert part in failed(capsys, *arguments)
        assert not path.exists()


def test_wrong_arguments_leave_with_status_two(model, images_model, photos, capsys):
    out = ("-o", "page.html")
    for arguments, part in (
        ((model, "x.npy"), "--output"),
        ((model, "x.npy", "-o", "x.npy"), "--output"),
        ((model, "x.npy", "-o", model), ".html"),
        ((model, *out), "DATA"),
        ((model, "x.npy", *out, "--n-exemplars=0"), "--n-exemplars"),
        ((model, "x.npy", *out, "--weights=x"), "--weights"),
        ((images_model, photos, *out, "--drop=1"), "--drop"),
        ((images_model, photos, *out, "--no-header"), "--header"),
    ):
        assert part in refused(capsys, *arguments)


def test_help_shows_examples_within_the_width_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, text = call("--help")
    assert status == 0
    assert "examples:\n  neuraleig report" in text
    assert max(map(len, text.splitlines())) <= 80
