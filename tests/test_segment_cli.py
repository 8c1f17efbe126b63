"""``neuraleig segment`` as a user runs it."""

import io
import json
import os
import signal
import sys

import new_process
import numpy as np
import pytest

from neuraleig import NeuralEigenSpectralClustering, load, save
from neuraleig.cli import main
from neuraleig.segmentation import _window_tokens
from neuraleig.segmentation.evaluation._datasets import DATASETS

PIL = pytest.importorskip("PIL.Image")

# Small and fast.
SMALL = (
    "--backbone=color_texture",
    "--n-clusters=3",
    "--clusterer.training.max-iter=2",
    "--clusterer.hidden-sizes=32",
    "--device=cpu",
)


# Changes of published settings for images of few tokens.
PUBLISHED = ("--clusterer.training.head=linear", "--clusterer.affinity.n-neighbors=20")
ENDLESS = (
    "--clusterer.training.max-iter=10000000",
    "--clusterer.training.no-early-stopping",
)


def run(*arguments):
    return new_process.run(["-m", "neuraleig", "segment", *arguments])


def call(*arguments):
    """Status and output of a command in this process."""
    out = io.StringIO()
    return main(["segment", *map(str, arguments)], out), out.getvalue()


def refused(capsys, *arguments):
    """Line of an error in the arguments."""
    assert call(*arguments) == (2, "")
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    return errors


def failed(capsys, *arguments):
    """Line of an error that the command finds."""
    assert call(*arguments) == (1, "")
    text, errors = capsys.readouterr()
    assert text == ""
    assert errors.startswith("neuraleig: error: ")
    assert errors.count("\n") == 1
    return errors


def scene(seed):
    """Picture of three regions, and their classes."""
    generator = np.random.default_rng(seed)
    mask = np.zeros((64, 96), dtype=np.uint8)
    mask[:, 48:] = 1
    mask[40:, :48] = 2
    colors = np.array([(20, 60, 200), (200, 60, 20), (60, 180, 60)])
    rgb = colors[mask] + generator.integers(-20, 20, (64, 96, 3))
    return rgb.astype(np.uint8), mask


@pytest.fixture(scope="session")
def camvid(tmp_path_factory):
    root = tmp_path_factory.mktemp("camvid")
    for number, split in enumerate(("train", "val")):
        for kind in ("images", "labels"):
            (root / split / kind).mkdir(parents=True)
        for image in range(2):
            rgb, mask = scene(10 * number + image)
            PIL.fromarray(rgb).save(root / split / "images" / f"{image}.png")
            PIL.fromarray(mask).save(root / split / "labels" / f"{image}.png")
    return root


@pytest.fixture(scope="session")
def photos(camvid):
    return camvid / "train" / "images"


@pytest.fixture(scope="session")
def fitted(photos, tmp_path_factory):
    """A model, and what the process that made it said."""
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    return path, run("fit", photos, "-v", "-o", path, *SMALL)


@pytest.fixture
def model(fitted, tmp_path):
    """A copy, to be changed."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(fitted[0].read_bytes())
    return path


def test_fit_writes_a_model_and_tells_of_its_stages(fitted, photos):
    path, done = fitted
    assert done.returncode == 0
    assert done.stdout.startswith(f"{path}: 3 clusters of 2 images, modularity 0.")
    assert done.stdout.count("\n") == 1
    stages = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert stages[:2] == ["backbone", "features"]
    assert stages[-1] == "calibration"
    assert load(path).get_params()["random_state"] == 0


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_stages_are_told_on_terminals_alone(photos, tmp_path, monkeypatch):
    fit = ("fit", photos, "-o", tmp_path / "m", *SMALL)
    for stream, expected in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", stream)
        assert call(*fit)[0] == 0
        assert ("neuraleig: features: " in stream.getvalue()) == expected
        # What was told is no part of the model.
        assert load(tmp_path / "m").verbose == 0


def count_backbones(monkeypatch):
    """Windows that go through backbones in this process, one number a pass."""
    passes, extract = [], _window_tokens.extract

    def counted(backbone, windows, device):
        passes.append(len(windows))
        return extract(backbone, windows, device)

    monkeypatch.setattr(_window_tokens, "extract", counted)
    return passes


def test_one_run_writes_all_from_one_pass_of_the_backbone(
    photos, tmp_path, monkeypatch
):
    pytest.importorskip("jinja2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "caches"))
    passes = count_backbones(monkeypatch)
    model, labels = tmp_path / "m.safetensors", tmp_path / "labels"
    files = {name: tmp_path / name for name in ("sheet.png", "page.html", "coco.json")}
    sheet, page, coco = files.values()
    status, text = call(
        "fit", photos, "-o", model, *SMALL, "--predict", labels, "--overlays",
        "--sheet", sheet, "--report", page, "--coco", coco,
    )  # fmt: skip
    assert status == 0
    assert passes == [1, 1]
    assert [line.split(": ")[0] for line in text.splitlines()] == [
        str(path) for path in (model, labels / "manifest.json", sheet, page)
    ]
    assert len(json.loads(coco.read_text())["images"]) == 2
    loaded = load(model)
    assert (loaded.feature_cache, loaded.verbose) == ("auto", 0)
    # And other commands do without, from what the first one stored.
    apart = tmp_path / "apart"
    assert call("predict", model, photos, "-o", apart, "--overlays")[0] == 0
    assert call("name", model, "--sheet", photos, tmp_path / "s.png")[0] == 0
    assert (
        main(["report", str(model), str(photos), "-o", str(tmp_path / "p.html")]) == 0
    )
    assert passes == [1, 1]
    for one, other in (
        (sheet, tmp_path / "s.png"),
        (page, tmp_path / "p.html"),
        (labels / "0.png", apart / "0.png"),
        (labels / "overlays" / "1.jpg", apart / "overlays" / "1.jpg"),
    ):
        assert one.read_bytes() == other.read_bytes()
    # But where it must not.
    bare = ("--feature-cache", "none")
    call("predict", model, photos, "-o", tmp_path / "bare", *bare)
    call("name", model, "--sheet", photos, tmp_path / "s.png", *bare)
    assert passes == [1] * 6
    stored = list((tmp_path / "caches" / "neuraleig").rglob("*.features"))
    assert len(stored) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overlays"], "--overlays is about labels, and needs --predict DIR"),
        (["--coco", "c.json"], "--coco is about labels, and needs --predict DIR"),
        (["--report", "page.png"], "suffix of another format"),
    ],
)
def test_files_beside_the_model_are_checked_before_the_fit(
    photos, tmp_path, capsys, options, message
):
    errors = refused(capsys, "fit", photos, "-o", tmp_path / "m", *SMALL, *options)
    assert message in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--predict", "labels"], "has labels of another model; name another folder"),
        (["--predict", "new", "--coco", "none/c.json"], "none"),
    ],
)
def test_labels_are_checked_before_the_fit(
    photos, model, tmp_path, monkeypatch, capsys, options, message
):
    monkeypatch.chdir(tmp_path)
    assert call("predict", model, photos, "-o", "labels")[0] == 0
    capsys.readouterr()
    errors = failed(capsys, "fit", photos, "-o", "m", *SMALL, *options)
    assert message in errors
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["none/s.png", "s.txt"])
def test_sheets_are_checked_before_the_fit(photos, tmp_path, capsys, name):
    model = tmp_path / "m"
    failed(capsys, "fit", photos, "-o", model, *SMALL, "--sheet", tmp_path / name)
    assert not model.exists()


def test_options_become_parameters(photos, tmp_path):
    path = tmp_path / "m"
    status, text = call(
        "fit", photos, "-q", "-o", path, *SMALL, "--random-state=3",
        "--window-size=none",
        "--image-size=48", "--clusterer.assign-labels=kmeans", "--refine=guided",
        "--clusterer.training.init=random", "--clusterer.training.batch-size=40",
        "--clusterer.training.objective=neuralef", "--scales=1,0.5", "--flip",
        "--pixel-weight=0.1", "--feature-cache=none",
    )  # fmt: skip
    assert (status, text[: len(str(path))]) == (0, str(path))
    expected = {
        "random_state": 3,
        "window_size": None,
        "image_size": 48,
        "refine": "guided",
        "scales": (1, 0.5),
        "flip": True,
        "pixel_weight": 0.1,
        # Where features are kept is no part of a model.
        "feature_cache": "auto",
        "n_clusters": 3,
        "clusterer__assign_labels": "kmeans",
        "clusterer__hidden_sizes": (32,),
        "clusterer__training__init": "random",
        "clusterer__training__batch_size": 40,
        "clusterer__training__objective": "neuralef",
    }
    found = load(path).get_params()
    assert {name: found[name] for name in expected} == expected


# Small pictures have less than three kinds of tokens.
@pytest.mark.filterwarnings("ignore:Only .* clusters have rows")
def test_a_preset_is_changed_by_options(photos, tmp_path):
    path = tmp_path / "m"
    assert call(
        "fit", photos, "-q", "-o", path, "--preset=cityscapes", *SMALL, *PUBLISHED,
    )[0] == 0  # fmt: skip
    found = load(path).get_params()
    assert (found["n_clusters"], found["window_size"]) == (3, 768)


def test_predict_writes_labels_overlays_and_a_line(fitted, photos, tmp_path):
    out = tmp_path / "labels"
    arguments = ("predict", fitted[0], photos, "-o", out, "--device=cpu")
    status, text = call(*arguments, "--overlays")
    manifest = out / "manifest.json"
    line = f"{manifest}: {{}} images labelled, {{}} done before, 0 unreadable\n"
    assert (status, text) == (0, line.format(2, 0))
    for number in range(2):
        with PIL.open(out / f"{number}.png") as page:
            labels = np.asarray(page)
        with PIL.open(photos / f"{number}.png") as page:
            rgb = np.asarray(page)
        assert np.array_equal(labels, load(fitted[0], device="cpu").predict(rgb))
        assert (out / "overlays" / f"{number}.jpg").is_file()
    assert call(*arguments) == (0, line.format(0, 2))
    assert call(*arguments, "--overwrite") == (0, line.format(2, 0))


def test_predict_writes_labels_that_were_done_before_in_the_format_of_coco(
    model, photos, tmp_path
):
    assert call("name", model, "--name=1=road", "--device=cpu")[0] == 0
    out, coco = tmp_path / "labels", tmp_path / "labels" / "coco.json"
    arguments = ("predict", model, photos, "-o", out, "--device=cpu")
    assert call(*arguments, "--coco", coco)[0] == 0
    text = coco.read_text("ascii")
    content = json.loads(text)
    assert [image["file_name"] for image in content["images"]] == ["0.png", "1.png"]
    names = [category["name"] for category in content["categories"]]
    assert names == ["cluster 0", "road", "cluster 2"]
    areas = sum(entry["area"] for entry in content["annotations"])
    assert areas == 2 * 64 * 96
    coco.unlink()
    assert "0 images labelled, 2 done" in call(*arguments, "--coco", coco)[1]
    assert coco.read_text("ascii") == text


def test_predict_refuses_to_mix_settings(fitted, photos, tmp_path, capsys):
    arguments = ("predict", fitted[0], photos, "-o", tmp_path / "labels")
    assert call(*arguments)[0] == 0
    assert "or pass --overwrite to" in failed(capsys, *arguments, "--refine=guided")


@pytest.mark.filterwarnings("default")
def test_unreadable_images_are_told_of_and_fatal_only_if_all_are(
    fitted, photos, tmp_path, capsys
):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"")
    status, text = call("predict", fitted[0], folder, "-o", tmp_path / "none")
    assert status == 1
    assert "0 images labelled, 0 done before, 1 unreadable" in text
    capsys.readouterr()
    (folder / "good.png").write_bytes((photos / "0.png").read_bytes())
    status, text = call("predict", fitted[0], folder, "-o", tmp_path / "some")
    assert status == 0
    assert "1 image labelled, 0 done before, 1 unreadable" in text
    errors = capsys.readouterr().err
    assert errors.startswith("neuraleig: warning: 1 of 2 images could not")
    assert "bad.png" in errors
    assert errors.count("\n") == 1


def test_evaluate_prints_scores_of_a_model(fitted, camvid):
    status, text = call(
        "evaluate", fitted[0], "--dataset=camvid", "--root", camvid, "--device=cpu",
        "--map-split=train", "--how=hungarian",
    )  # fmt: skip
    lines = text.splitlines()
    assert status == 0
    assert lines[:3] == [
        "camvid val: 2 images, 3 clusters, protocol sliding_window, "
        "windows of large images",
        "classes of clusters: hungarian, found on train",
        "pixels with a class: 100.0 %",
    ]
    assert lines[4].split() == ["class", "IoU", "accuracy", "share"]
    score = float(next(line for line in lines if line.startswith("all")).split()[1])
    # Three plain colours.
    assert score > 60


def test_evaluate_writes_the_scores_of_its_table_as_json(fitted, camvid):
    line = ("evaluate", fitted[0], "--dataset=camvid", "--root", camvid, "--device=cpu")
    _, table = call(*line)
    status, text = call(*line, "--json")
    found = json.loads(text)
    assert status == 0
    overall = f"{100 * found['mean_iou']:.2f}", f"{100 * found['pixel_accuracy']:.2f}"
    assert tuple(table.splitlines()[-2].split()[1:]) == overall
    known = [c["iou"] for c in found["classes"].values() if c["iou"] is not None]
    assert np.mean(known) == pytest.approx(found["mean_iou"])


def test_evaluate_takes_windows_from_the_protocol(fitted, camvid):
    status, text = call(
        "evaluate", fitted[0], "--dataset=camvid", "--root", camvid, "--device=cpu",
        "--protocol=reco",
    )  # fmt: skip
    assert status == 0
    assert "protocol reco, windows of 320 pixels every 320\n" in text


def test_evaluate_without_a_model_fits_and_keeps_one(camvid, tmp_path, capsys):
    path = tmp_path / "m"
    scored = ("evaluate", "--dataset=camvid", "--root", camvid)
    status, text = call(*scored, "--save", path, "-v", *SMALL)
    assert status == 0
    assert "neuraleig: features: 2 images" in capsys.readouterr().err
    # What was saved is what was scored, and the train split is what was fitted.
    assert call("evaluate", path, *scored[1:], "--device=cpu") == (0, text)


def scores_of(text):
    """Table of the scores, without the lines above it."""
    return text.partition("\n\n")[2]


def own_masks(camvid, folder, codes, ending="_L"):
    """Masks of the scored images in a folder, with other values or colours."""
    folder.mkdir()
    for path in (camvid / "val" / "labels").glob("*.png"):
        with PIL.open(path) as page:
            values = np.array(codes, np.uint8)[np.asarray(page)]
        PIL.fromarray(values).save(folder / f"{path.stem}{ending}.png")
    return folder


def test_evaluate_scores_folders_as_it_scores_known_sets(fitted, camvid, tmp_path):
    known = call(
        "evaluate", fitted[0], "--dataset=camvid", "--root", camvid, "--device=cpu",
        "--map-split=train",
    )  # fmt: skip
    classes = tmp_path / "classes.json"
    names = list(DATASETS["camvid"].class_names)
    images = camvid / "val" / "images"
    mapped = (
        *("--map-images", camvid / "train" / "images"),
        *("--map-masks", camvid / "train" / "labels"),
    )
    same = own_masks(camvid, tmp_path / "same", [0, 1, 2])
    for content, masks in (
        (names, camvid / "val" / "labels"),
        ({"class_names": names, "void_id": 255}, same),
    ):
        classes.write_text(json.dumps(content))
        status, text = call(
            "evaluate", fitted[0], "--images", images, "--masks", masks, *mapped,
            "--classes", classes, "--device=cpu",
        )  # fmt: skip
        assert status == 0
        assert text.splitlines()[:2] == [
            f"{images}: 2 images, 3 clusters, protocol sliding_window, "
            "windows of large images",
            f"classes of clusters: majority, found on {camvid / 'train' / 'images'}",
        ]
        assert scores_of(text) == scores_of(known[1])


def test_evaluate_takes_colours_and_other_integers(fitted, camvid, tmp_path):
    colors = [[128, 64, 128], [0, 0, 9], [1, 2, 3]]
    images = ("--images", camvid / "val" / "images", "--device=cpu")
    tables = []
    for name, codes, content in (
        ("colours", colors, dict(zip("abc", colors, strict=True))),
        ("integers", [7, 9, 250], {"a": 7, "b": 9, "c": 250}),
        ("names", [7, 9, 250], {"7": "a", "9": "b", "250": "c"}),
    ):
        masks = own_masks(camvid, tmp_path / name, codes)
        (tmp_path / "c.json").write_text(json.dumps(content))
        line = ("--masks", masks, "--classes", tmp_path / "c.json")
        status, text = call("evaluate", fitted[0], *images, *line)
        assert (status, "with a class: 100.0 %\n" in text) == (0, True)
        tables.append(scores_of(text))
    assert len(set(tables)) == 1
    # An object lists what is scored.
    (tmp_path / "c.json").write_text('{"250": "c", "9": "b"}')
    text = call("evaluate", fitted[0], *images, *line)[1]
    assert [row.split()[0] for row in scores_of(text).splitlines()[2:4]] == ["c", "b"]
    # The first has 40 x 48 of 64 x 96 pixels.
    assert "pixels with a class: 68.8 %\n" in text


def test_evaluate_numbers_classes_of_both_folders(fitted, camvid, tmp_path):
    few = own_masks(camvid, tmp_path / "few", [0, 1, 77])
    many = own_masks(camvid, tmp_path / "many", [0, 3, 77], ending="")
    folders = ("--images", "--masks", "--map-images", "--map-masks")
    images = camvid / "val" / "images"
    for pair in ((few, many), (many, few)):
        paths = (images, pair[0], images, pair[1])
        options = [part for both in zip(folders, paths, strict=True) for part in both]
        status, text = call("evaluate", fitted[0], *options, "--ignore-index=77")
        rows = scores_of(text).splitlines()[2:-3]
        assert status == 0
        assert [row[:7] for row in rows] == [f"class {i}" for i in range(4)]


def test_evaluate_of_folders_without_a_model_fits_the_other_images(
    camvid, tmp_path, capsys
):
    names = ("images", "labels")
    scored, mapped = ([camvid / s / n for n in names] for s in ("val", "train"))
    options = ("--images", scored[0], "--masks", scored[1])
    others = ("--map-images", mapped[0], "--map-masks", mapped[1])
    line = ("evaluate", *options, *others, *SMALL, "--save", tmp_path / "m", "-q")
    status, text = call(*line)
    assert status == 0
    assert text.splitlines()[0].startswith(f"{scored[0]}: 2 images, 3 clusters, ")
    # What was saved is what was scored.
    saved = ("evaluate", tmp_path / "m", *options, *others, "--device=cpu")
    assert call(*saved) == (0, text)
    assert call("fit", mapped[0], "-o", tmp_path / "n", *SMALL)[0] == 0
    assert (tmp_path / "m").read_bytes() == (tmp_path / "n").read_bytes()
    # Without others, those that are scored.
    assert call("evaluate", *options, *SMALL, "-v")[0] == 0
    assert "features: 2 images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("[1", "in JSON"),
        ("3", "a list or an object"),
        ("[]", "--classes=[] must be names"),
        ("[1, 2]", "classes must be a list of names, or a mapping"),
        ('{"a": 0, "b": 0}', "classes has 0 for 'a' and for 'b'"),
        ('{"a": 0, "b": 255}', "--ignore-index=255 is the class 'b'"),
        ('["a", "b"]', "has the value 2, and classes are 0 to 1; name it in classes, "),
        ('["a", "b"]', "or pass --ignore-index=2 if it stands for no class"),
    ],
)
def test_bad_classes_are_one_line(fitted, camvid, tmp_path, capsys, content, part):
    classes = tmp_path / "c.json"
    classes.write_text(content)
    folders = ("--images", camvid / "val" / "images", "--masks", camvid / "val/labels")
    line = ("evaluate", fitted[0], *folders, "--classes", classes, "--device=cpu")
    assert part in failed(capsys, *line)


@pytest.mark.filterwarnings("ignore:Only .* clusters have rows")
def test_evaluate_without_a_model_takes_the_published_settings(tmp_path):
    city = tmp_path / "leftImg8bit"
    for split in ("train", "val"):
        for kind in ("leftImg8bit", "gtFine"):
            (tmp_path / kind / split / "bonn").mkdir(parents=True)
        rgb, mask = scene(0)
        name = tmp_path / "{}" / split / "bonn"
        PIL.fromarray(rgb).save(str(name / "a_leftImg8bit.png").format("leftImg8bit"))
        labels = np.array([7, 11, 23], dtype=np.uint8)[mask]
        PIL.fromarray(labels).save(str(name / "a_gtFine_labelIds.png").format("gtFine"))
    assert city.is_dir()
    status, text = call(
        "evaluate", "-q", "--dataset=cityscapes", "--root", tmp_path, *SMALL,
        *PUBLISHED, "--save", tmp_path / "m",
    )  # fmt: skip
    assert status == 0
    assert "protocol sliding_window, windows of 768 pixels every 512\n" in text
    found = load(tmp_path / "m").clusterer.training
    assert (found.label_objective, found.init) == ("neuralef", "random")


def test_models_of_rows_are_refused(tmp_path, capsys):
    rows = np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None]
    save(NeuralEigenSpectralClustering(2, random_state=0).fit(rows), tmp_path / "m")
    errors = failed(capsys, "name", tmp_path / "m", "--device=cpu")
    assert "holds a NeuralEigenSpectralClustering" in errors


def test_name_names_merges_and_lists(model, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"0": "sky", "2": "Straße"}', encoding="utf-8")
    arguments = ("name", model, "--names", names, "--device=cpu")
    status, text = call(*arguments, "--name", "1=road", "-o", tmp_path / "named")
    assert (status, text) == (0, "   0  sky\n   1  road\n   2  Straße\n")
    assert load(tmp_path / "named").cluster_names_ == {0: "sky", 1: "road", 2: "Straße"}
    assert load(model).cluster_names_ == {}
    # Names come first, and the union has that of its first member.
    assert call(*arguments, "--merge", "1,2") == (0, "   0  sky\n   1  Straße\n")
    assert load(model).n_clusters_ == 2


@pytest.mark.filterwarnings("default::neuraleig.segmentation.ClusterWarning")
def test_clusters_of_single_pictures_are_told_of(tmp_path, capsys):
    for number in range(8):
        colors = np.zeros((32, 32, 3), np.uint8)
        colors[:16], colors[16:] = 30 * number, 240 - 30 * number
        colors[:, :16, number % 3] = 90
        PIL.fromarray(colors).save(tmp_path / f"{number}.png")
    nearest = ("--n-clusters=8", "--clusterer.affinity.n-neighbors=8")
    within = "--clusterer.affinity.no-across-groups"
    fit = ("fit", tmp_path, "-o", tmp_path / "m", *SMALL, *nearest)
    assert call(*fit, within)[0] == 0
    errors = capsys.readouterr().err
    assert errors.startswith("neuraleig: warning: ")
    assert "of 8 clusters have nine tenths of their tokens in one of 8" in errors
    assert ". Set --clusterer.affinity.across-groups to search neighbours" in errors
    assert errors.count("\n") == 1


@pytest.mark.filterwarnings("default::neuraleig.reading.AlignmentWarning")
def test_fit_takes_over_numbers_and_names(model, photos, tmp_path, capsys):
    new = tmp_path / "new"
    assert call("name", model, "--name=1=road", "--device=cpu")[0] == 0
    fit = ("fit", photos, "-o", new, *SMALL, "--align-to", model)
    status, text = call(*fit)
    assert status == 0
    assert text.splitlines()[1:] == [f"numbers of {model}: agreement 100.0 %"]
    assert load(new).cluster_names_ == {1: "road"}
    status, text = call(*fit, "--n-clusters=2")
    assert (status, "; lost clusters: " in text) == (0, True)
    assert "neuraleig: warning: Clusters are not those" in capsys.readouterr().err
    errors = failed(capsys, *fit[:-1], tmp_path / "nowhere")
    assert "--align-to='" in errors and "No such file" in errors


def test_name_without_changes_only_lists(model):
    before = model.read_bytes()
    assert call("name", model, "--device=cpu") == (0, "   0  -\n   1  -\n   2  -\n")
    assert model.read_bytes() == before


def test_name_draws_a_sheet(model, photos, tmp_path):
    before = model.read_bytes()
    sheet = tmp_path / "sheet.png"
    status, text = call("name", model, "--sheet", photos, sheet, "--device=cpu")
    assert status == 0
    shares = [float(line.split()[1]) for line in text.splitlines()]
    assert sum(shares) == pytest.approx(100, abs=0.02)
    with PIL.open(sheet) as page:
        assert page.height > 3 * 96
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "part"),
    [("[1", "JSON"), ("[1]", "JSON"), ('{"a": "b"}', "JSON"), ('{"9": "b"}', "9")],
)
def test_bad_names_change_nothing(model, tmp_path, capsys, content, part):
    before = model.read_bytes()
    names = tmp_path / "names.json"
    names.write_text(content)
    assert part in failed(capsys, "name", model, "--names", names, "--device=cpu")
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ["command"]),
        (("fit", "photos"), ["--output"]),
        (("fit", "photos", "-o", "m", "--n-clusters=0"), ["--n-clusters", "'0'"]),
        (("fit", "photos", "-o", "m", "--n-clusters=x"), ["--n-clusters", "'x'"]),
        (
            ("fit", "photos", "-o", "m", "--clusterer.training.max-iter=-1"),
            ["--clusterer.training.max-iter"],
        ),
        (("fit", "photos", "-o", "m", "--stride=no"), ["--stride", "'no'"]),
        (("fit", "photos", "-o", "m", "--preset=x"), ["--preset", "cityscapes"]),
        (
            ("fit", "photos", "-o", "m", "--max-iter=1"),
            ["--max-iter", "--clusterer.training.max-iter"],
        ),
        (
            ("evaluate", "m", "--dataset=camvid", "--root=.", "--pixel-weight=0.1"),
            ["--pixel-weight", "fitted already"],
        ),
        (
            (
                *("evaluate", "m", "--dataset=camvid", "--root=."),
                "--backbone.no-pretrained",
            ),
            ["--backbone.pretrained", "fitted already"],
        ),
        (("fit", "photos", "-o", "m.npy"), ["--output", "m.npy", ".safetensors"]),
        (("name", "m", "-o", "m.onnx"), ["--output", "m.onnx", ".safetensors"]),
        (("fit", "photos", "-o", "m", "-q", "-v"), ["--quiet", "--verbose"]),
        (("predict", "m", "photos"), ["--output"]),
        (("predict", "m", "p", "-o", "o", "--coco=l.png"), ["--coco", "has .json"]),
        (("evaluate", "m", "--root=."), ["--dataset and --root go together"]),
        (("evaluate", "m", "--images=."), ["--images and --masks go together"]),
        (("evaluate", "m"), ["--dataset", "--images"]),
        (
            ("evaluate", "m", "--images=a", "--masks=b", "--map-masks=c"),
            ["--map-images and --map-masks go together"],
        ),
        (
            ("evaluate", "m", "--images=a", "--masks=b", "--split=train"),
            ["--images is for folders of your own", "--split for a known set"],
        ),
        (
            ("evaluate", "m", "--dataset=camvid", "--root=.", "--ignore-index=0"),
            ["--ignore-index is for folders"],
        ),
        (("evaluate", "--dataset=mnist", "--root=."), ["mnist", "camvid"]),
        (
            ("evaluate", "m", "--dataset=camvid", "--root=.", "--random-state=1"),
            ["--random-state"],
        ),
        (("evaluate", "m", "--dataset=camvid", "--root=.", "--save=x"), ["--save"]),
        (
            ("evaluate", "m", "--dataset=camvid", "--root=.", "--n-clusters=3"),
            ["--n-clusters", "fitted already"],
        ),
        (("name", "m", "--name", "road"), ["'road'", "3=road"]),
        (("name", "m", "--merge", "1"), ["'1'", "1,4"]),
    ],
)
def test_wrong_arguments_leave_with_status_two(capsys, arguments, parts):
    errors = refused(capsys, *arguments)
    for part in [*parts, "--help"]:
        assert part in errors


@pytest.mark.parametrize("name", [None, "fit", "predict", "evaluate", "name"])
def test_help_shows_examples_within_the_width_of_a_terminal(monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    status, text = call(*([name] if name else []), "--help")
    assert status == 0
    assert "examples:\n  neuraleig segment" in text
    assert max(map(len, text.splitlines())) <= 80


def test_layouts_of_all_sets_are_shown():
    status, text = call("evaluate", "--layouts")
    assert status == 0
    for word in ("camvid: 11 classes", "cityscapes27: 27", "ROOT/gtFine", "ade20k"):
        assert word in text


def test_what_cannot_be_done_is_one_line(fitted, photos, tmp_path, capsys):
    path, empty = fitted[0], tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text").write_text("no model")
    for arguments, part in (
        (("fit", tmp_path / "none", "-o", tmp_path / "m", *SMALL), "none"),
        (("fit", empty, "-o", tmp_path / "m", *SMALL), "empty"),
        (("fit", photos, "-o", empty, *SMALL), "--output must name a file"),
        (("fit", photos, "-o", tmp_path / "a" / "b", *SMALL), "make it first"),
        (("fit", photos, "-o", tmp_path / "m", *SMALL, "--stride=600"), "stride"),
        (("fit", photos, "-o", tmp_path / "m", *SMALL, "--scales=0"), "--scales=0"),
        (("predict", tmp_path / "m", photos, "-o", tmp_path / "o"), "No such file"),
        (("predict", tmp_path / "text", photos, "-o", tmp_path / "o"), "safetensors"),
        (("predict", path, empty, "-o", tmp_path / "o"), "empty"),
        (("predict", path, photos, "-o", photos), "folder of the images"),
        (("predict", path, photos, "-o", tmp_path / "o", "--device=abacus"), "abacus"),
        (("predict", path, photos, "-o", "o", "--weights=x"), "weights='x'"),
        (
            ("predict", path, photos, "-o", tmp_path / "o", "--coco=no/c.json"),
            "--coco='no/c.json' is in the folder",
        ),
        (("evaluate", path, "--dataset=camvid", "--root", empty), "--layouts"),
        (("evaluate", path, "--dataset=ade20k", "--root", empty), "--layouts"),
        (("evaluate", path, "--images", photos, "--masks", empty), "has no PNG file"),
        (("evaluate", path, "--images", "nowhere", "--masks", empty), "no nowhere"),
        (("name", path, "--merge", "1,7", "--device=cpu"), "7"),
        (("name", path, "--sheet", empty, tmp_path / "s.png"), "empty"),
        (("name", path, "--sheet", photos, empty), "--sheet must name a file"),
    ):
        assert part in failed(capsys, *arguments), arguments
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "text"]


def test_a_missing_package_is_one_line_that_says_what_to_install(
    monkeypatch, photos, tmp_path, capsys
):
    monkeypatch.setitem(sys.modules, "timm", None)
    errors = failed(capsys, "fit", photos, "-q", "-o", tmp_path / "m")
    assert "pip install timm torchvision" in errors


def test_a_fit_that_is_interrupted_leaves_nothing(photos, tmp_path):
    arguments = ["fit", photos, "-v", "-o", tmp_path / "m", *SMALL, *ENDLESS]
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        process = new_process.Process(
            ["-m", "neuraleig", "segment", *arguments],
            env={"TMPDIR": str(tmp_path)},
            stderr=pipe,
        )
    with process, os.fdopen(reading) as errors:
        # The first line is there when the fit runs.
        first = errors.readline()
        process.send_signal(signal.SIGINT)
        done = process.wait(60)
        assert "Traceback" not in errors.read()
    assert first.startswith("neuraleig: backbone")
    assert (done.returncode, done.stdout) == (130, "")
    assert list(tmp_path.iterdir()) == []


# Interrupts the process once, in the middle of a fit and where Python drops exceptions.
DROPPED = """
import signal, sys, weakref
from neuraleig.cli import main
from neuraleig.segmentation import _window_tokens
from neuraleig._fit import _fit

class Thing:
    pass

def interrupted(*arguments):
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    return teach(*arguments)

teach, _fit.teach = _fit.teach, interrupted
sys.exit(main())
"""


def test_an_interrupt_that_python_drops_is_heard(photos, tmp_path):
    arguments = ["segment", "fit", str(photos), "-o", str(tmp_path / "m"), *SMALL]
    arguments += ENDLESS
    done = new_process.run(
        ["-c", DROPPED, *arguments], env={"TMPDIR": str(tmp_path)}, timeout=120
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_manifests_hold_the_names(model, photos, tmp_path):
    assert call("name", model, "--name=0=sky", "--device=cpu")[0] == 0
    out = tmp_path / "labels"
    assert call("predict", model, photos, "-o", out, "--device=cpu")[0] == 0
    assert '"sky"' in json.dumps(json.loads((out / "manifest.json").read_text()))
