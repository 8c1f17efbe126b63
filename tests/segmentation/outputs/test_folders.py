import errno
import json
import os
import sys
import time
import warnings
from pathlib import Path

import new_process
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

Image = pytest.importorskip("PIL.Image")

from neuraleig.segmentation.images import ImageWarning, _image_files, read_mask  # noqa: E402
from neuraleig.segmentation.images._image_files import write_image  # noqa: E402
from neuraleig.segmentation.images._image_paths import image_files  # noqa: E402
from neuraleig.segmentation.outputs import _folders, label_colors  # noqa: E402
from neuraleig.segmentation.outputs._folders import predict_folder  # noqa: E402
from neuraleig.segmentation.outputs._label_files import label_names  # noqa: E402
from neuraleig.segmentation.outputs._names import names_of_clusters  # noqa: E402

NAMES = ["a/1.png", "a/2.png", "b.png", "c.png", "d/e/f.png"]


def levels(rgb):
    """Four labels, by brightness."""
    return (rgb[:, :, 0] // 64).astype(np.int64)


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "images"
    generator = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, generator.integers(0, 256, (6 + number, 9, 3), np.uint8))
    return root


def run(source, out, label=levels, **options):
    return predict_folder(
        label, source, out, **{"n_labels": 4, "fingerprint": "one"} | options
    )


def counted(label=levels, fail_at=None):
    """Label that counts its calls, and fails at one of them."""

    def call(rgb):
        call.n_calls += 1
        if call.n_calls == fail_at:
            raise KeyboardInterrupt
        return label(rgb)

    call.n_calls = 0
    return call


def files_of(out):
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())


def content_of(out):
    return {name: (out / name).read_bytes() for name in files_of(out)}


def test_labels_are_written_in_the_same_tree(source, tmp_path):
    out = tmp_path / "deep" / "out"
    report = run(source, out)
    assert files_of(out) == sorted([*NAMES, "manifest.json"])
    assert (report.written, report.skipped, report.unreadable) == (NAMES, [], [])
    total = np.zeros(4, np.int64)
    for name in NAMES:
        expected = levels(_image_files.read_image(source / name))
        np.testing.assert_array_equal(read_mask(out / name), expected)
        total += np.bincount(expected.ravel(), minlength=4)
        with Image.open(out / name) as picture:
            assert picture.getpalette()[:12] == label_colors(4).ravel().tolist()
    np.testing.assert_array_equal(report.pixels, total)


def test_the_manifest_says_what_was_done(source, tmp_path):
    out = tmp_path / "out"
    (source / "c.png").write_bytes(b"")
    with pytest.warns(ImageWarning, match="1 of 5 images"):
        report = run(source, out, names={2: "road", 0: "дорога"})
    assert report.manifest == out / "manifest.json"
    content = json.loads(report.manifest.read_text())
    assert content["schema"] == 1
    assert content["fingerprint"] == "one"
    assert content["n_clusters"] == 4
    assert content["folder"] == str(source)
    assert content["clusters"][2] == {"id": 2, "name": "road", "color": "#bd1f01"}
    assert [c["name"] for c in content["clusters"]] == ["дорога", None, "road", None]
    assert [image["source"] for image in content["images"]] == NAMES
    for image in content["images"]:
        if image["source"] == "c.png":
            assert "the file is empty" in image["error"]
            assert image["labels"] is None
            continue
        labels = read_mask(out / image["labels"])
        assert labels.shape == (image["height"], image["width"])
        counts = {str(i): int((labels == i).sum()) for i in np.unique(labels)}
        assert image["pixels"] == counts
        assert image["error"] is None


def test_many_clusters_make_deep_files(source, tmp_path):
    def label(rgb):
        return np.full(rgb.shape[:2], 299, np.uint16)

    run(source, tmp_path / "out", label, n_labels=300)
    assert read_mask(tmp_path / "out" / "b.png").max() == 299


def test_overlays_are_written_when_asked_for(source, tmp_path):
    out = tmp_path / "out"
    run(source, out, overlays=True)
    overlays = [f"overlays/{name.removesuffix('.png')}.jpg" for name in NAMES]
    assert files_of(out) == sorted([*NAMES, *overlays, "manifest.json"])


def test_overlays_that_are_missing_are_written_later(source, tmp_path):
    out = tmp_path / "out"
    run(source, out)
    assert run(source, out, overlays=True).written == NAMES
    assert run(source, out, overlays=True).skipped == NAMES
    (out / "overlays" / "b.jpg").unlink()
    assert run(source, out, overlays=True).written == ["b.png"]
    assert run(source, out).skipped == NAMES


def test_images_in_memory_have_numbers(tmp_path):
    images = [np.full((3, 4, 3), value, np.uint8) for value in (0, 70)]
    report = run(images, tmp_path / "out")
    assert report.pixels.tolist() == [12, 12, 0, 0]
    assert files_of(tmp_path / "out") == [
        "image_0000.png",
        "image_0001.png",
        "manifest.json",
    ]
    assert run(images, tmp_path / "out").skipped == ["image_0000", "image_0001"]
    # The same name, another image.
    images[1] = images[1] + 64
    assert run(images, tmp_path / "out").written == ["image_0001"]


# Going on


def test_what_is_done_is_skipped(source, tmp_path):
    out = tmp_path / "out"
    first = run(source, out)
    before, label = content_of(out), counted()
    second = run(source, out, label)
    assert label.n_calls == 0
    assert (second.written, second.skipped) == ([], NAMES)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert content_of(out) == before


@pytest.mark.parametrize("overlays", [False, True])
def test_a_stopped_run_goes_on(source, tmp_path, overlays):
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(source, whole, overlays=overlays)
    for n_done in range(len(NAMES)):
        label = counted(fail_at=2)
        if n_done < len(NAMES) - 1:
            with pytest.raises(KeyboardInterrupt):
                run(source, out, label, overlays=overlays)
            assert not (out / "manifest.json").exists()
        else:
            report = run(source, out, label, overlays=overlays)
            assert report.skipped == NAMES[:-1]
    assert content_of(out) == content_of(whole)


def test_a_write_that_fails_stops_the_run_and_leaves_nothing(
    source, tmp_path, monkeypatch
):
    out, whole = tmp_path / "out", tmp_path / "whole"
    run(source, whole)
    n_synced = 0

    def fsync(file):
        nonlocal n_synced
        n_synced += 1
        if n_synced == 4:  # the journal's, and those of two images
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            run(source, out)
    assert files_of(out) == [".manifest.journal", *NAMES[:2]]
    assert run(source, out).skipped == NAMES[:2]
    assert content_of(out) == content_of(whole)


def test_a_torn_journal_is_read_up_to_its_tear(source, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(source, out, counted(fail_at=4))
    journal = out / ".manifest.journal"
    journal.write_bytes(journal.read_bytes()[:-20])
    assert run(source, out).skipped == NAMES[:2]
    assert not journal.exists()


KILLED = """
import sys, time
import numpy as np
from neuraleig.segmentation.outputs._folders import predict_folder

def label(rgb):
    time.sleep(0.005)
    return np.zeros(rgb.shape[:2], np.uint8)

predict_folder(label, sys.argv[1], sys.argv[2], n_labels=4, fingerprint="one")
"""


def test_a_killed_run_leaves_whole_files_and_goes_on(tmp_path):
    source, out = tmp_path / "images", tmp_path / "out"
    source.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    for number in range(100):
        write_image(source / f"{number}.bmp", pixels)
    with new_process.Process(["-c", KILLED, source, out]):
        deadline = time.monotonic() + 60
        while len(list(out.glob("*.png"))) < 10 and time.monotonic() < deadline:
            time.sleep(0.002)
    written = list(out.glob("*.png"))
    assert 10 <= len(written) < 100
    for path in written:
        assert read_mask(path).shape == (60, 60)
    label = counted(lambda rgb: np.zeros(rgb.shape[:2], np.uint8))
    report = run(source, out, label)
    # The last file may be there without a line in the journal.
    assert len(written) - 1 <= len(report.skipped) <= len(written)
    assert label.n_calls == 100 - len(report.skipped)
    assert len(files_of(out)) == 101


def test_what_a_killed_run_left_half_is_removed(source, tmp_path):
    out = tmp_path / "out"
    run(source, out)
    for folder in ("", "a", "overlays/a", "d/e"):
        (out / folder).mkdir(parents=True, exist_ok=True)
        (out / folder / ".neuraleig-00.part").write_bytes(b"half")
    # Somebody else writes there.
    others = [out / "models" / ".neuraleig-00.part", out / "d" / ".neuraleig-00.part"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    run(source, out)
    assert all(path.exists() for path in others)
    found = {*files_of(out)} - {path.relative_to(out).as_posix() for path in others}
    assert sorted(found) == sorted([*NAMES, "manifest.json"])


@pytest.mark.parametrize(
    "change",
    [
        lambda source, out: (out / "b.png").unlink(),
        lambda source, out: (out / "b.png").write_bytes(b""),
        lambda source, out: Image.new("P", (3, 3)).save(out / "b.png"),
        lambda source, out: write_image(source / "b.png", np.ones((8, 9, 3), np.uint8)),
    ],
)
def test_what_has_changed_is_done_again(source, tmp_path, change):
    out = tmp_path / "out"
    run(source, out)
    change(source, out)
    assert run(source, out).written == ["b.png"]
    expected = levels(_image_files.read_image(source / "b.png"))
    np.testing.assert_array_equal(read_mask(out / "b.png"), expected)


def test_new_images_are_added_and_old_ones_forgotten(source, tmp_path):
    out = tmp_path / "out"
    run(source, out)
    write_image(source / "b2.png", np.zeros((4, 4, 3), np.uint8))
    (source / "c.png").unlink()
    report = run(source, out)
    assert report.written == ["b2.png"]
    listed = json.loads(report.manifest.read_text())["images"]
    assert [i["source"] for i in listed] == [*NAMES[:3], "b2.png", "d/e/f.png"]


@pytest.mark.parametrize("finished", [True, False])
def test_labels_of_another_source_are_kept(source, tmp_path, finished):
    out, other = tmp_path / "out", tmp_path / "other"
    if finished:
        run(source, out)
    else:
        with pytest.raises(KeyboardInterrupt):
            run(source, out, counted(fail_at=4))
    before = content_of(out)
    (other / "a").mkdir(parents=True)
    for name in ("a/1.png", "z.png"):
        write_image(other / name, np.zeros((7, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=r"of \d other images.*overwrite=True"):
        run(other, out)
    assert content_of(out) == before
    # One that is among both is enough, without its labels as well.
    write_image(other / "b.png", _image_files.read_image(source / "b.png"))
    (out / "b.png").unlink(missing_ok=True)
    if finished:
        assert run(other, out).written == ["a/1.png", "b.png", "z.png"]
    with pytest.raises(ValueError, match=r"other images.*overwrite=True"):
        run([np.zeros((7, 9, 3), np.uint8)], out)
    (other / "b.png").unlink()
    assert run(other, out, overwrite=True).written == ["a/1.png", "z.png"]


def test_both_folders_may_be_moved(source, tmp_path):
    run(source, tmp_path / "out")
    moved = source.rename(tmp_path / "elsewhere")
    out = (tmp_path / "out").rename(moved / "labels")
    assert run(moved, out).skipped == NAMES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fingerprint": "two"}, "another model or other settings of pred"),
        ({"n_labels": 5}, "another number of clusters and other colours"),
        ({"colors": np.zeros((4, 3), np.uint8)}, "with other colours"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_labels_made_otherwise_are_not_mixed(
    source, tmp_path, options, message, finished
):
    out = tmp_path / "out"
    if finished:
        run(source, out)
    else:
        with pytest.raises(KeyboardInterrupt):
            run(source, out, counted(fail_at=3))
    before = content_of(out)
    with pytest.raises(ValueError, match=f"{message}.*overwrite=True"):
        run(source, out, **options)
    assert content_of(out) == before
    report = run(source, out, overwrite=True, **options)
    assert report.written == NAMES
    assert run(source, out, **options).skipped == NAMES


def test_names_change_without_new_labels(source, tmp_path):
    out = tmp_path / "out"
    run(source, out)
    report = run(source, out, names=["road"])
    assert report.skipped == NAMES
    assert json.loads(report.manifest.read_text())["clusters"][0]["name"] == "road"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"images": 3}', b"torn {", b"\xff\xfe{\x00"]
)
def test_another_manifest_is_not_overwritten(source, tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"manifest.json.*overwrite=True"):
        run(source, out)
    assert (out / "manifest.json").read_bytes() == content
    assert run(source, out, overwrite=True).written == NAMES


@pytest.mark.parametrize("line", [b"[]", b"3", b'{"more": 1}', b"null", b"\xff\xfe"])
@pytest.mark.parametrize("is_first", [True, False])
def test_another_journal_is_not_overwritten(source, tmp_path, line, is_first):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(source, out, counted(fail_at=3))
    journal = out / ".manifest.journal"
    head, *images = journal.read_bytes().splitlines()
    content = b"\n".join([line, *images] if is_first else [head, line, *images])
    journal.write_bytes(content)
    with pytest.raises(ValueError, match="overwrite=True"):
        run(source, out)
    assert journal.read_bytes() == content
    assert run(source, out, overwrite=True).written == NAMES


def test_an_empty_journal_is_none(source, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ".manifest.journal").write_bytes(b'{"fingerpr')
    assert run(source, out).written == NAMES


# Unreadable images


def test_unreadable_images_are_reported_once_and_tried_again(source, tmp_path):
    out = tmp_path / "out"
    whole = (source / "b.png").read_bytes()
    (source / "b.png").write_bytes(whole[: len(whole) // 2])
    (source / "a" / "1.png").write_text("no image")
    with pytest.warns(ImageWarning, match="2 of 5 images") as caught:
        report = run(source, out)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [name for name, _ in report.unreadable] == ["a/1.png", "b.png"]
    assert report.written == ["a/2.png", "c.png", "d/e/f.png"]
    assert not (out / "b.png").exists()
    (source / "b.png").write_bytes(whole)
    with pytest.warns(ImageWarning, match="1 of 5 images"):
        report = run(source, out)
    assert report.written == ["b.png"]


def test_a_warning_names_a_few_only(tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    for number in range(9):
        (source / f"{number}.png").touch()
    with pytest.warns(ImageWarning) as caught:
        report = run(source, tmp_path / "out")
    assert str(caught[0].message).count("the file is empty") == 5
    assert len(report.unreadable) == 9
    assert report.pixels.tolist() == [0, 0, 0, 0]


# Where labels go


def test_an_out_inside_the_source_is_no_input(source):
    out = source / "a" / "labels"
    assert run(source, out, overlays=True).written == NAMES
    assert run(source, out, overlays=True).skipped == NAMES
    assert run(str(source), os.path.relpath(out)).skipped == NAMES


@pytest.mark.parametrize("finished", [True, False])
def test_labels_inside_the_source_are_no_images(source, tmp_path, finished):
    images = [source / name for name in NAMES]
    if finished:
        run(source, source / "labels", overlays=True)
    else:
        with pytest.raises(KeyboardInterrupt):
            run(source, source / "labels", counted(fail_at=4), overlays=True)
    assert image_files(source) == images
    # Nor for another run, unless they are asked for.
    assert run(source, tmp_path / "out").written == NAMES
    assert len(image_files(source / "labels")) == (10 if finished else 6)
    # What others call a manifest is none of ours.
    (source / "a" / "manifest.json").write_text('{"name": "app"}')
    (source / "d" / "manifest.json").mkdir()
    assert image_files(source) == images


def test_images_are_never_overwritten(source, tmp_path):
    before = content_of(source)
    with pytest.raises(ValueError, match="is the folder of the images"):
        run(source, source)
    with pytest.raises(ValueError, match="would overwrite the image"):
        run([source / "b.png"], source)
    link = tmp_path / "link"
    link.symlink_to(source)
    with pytest.raises(ValueError, match="would overwrite the image"):
        run([source / "b.png"], link)
    (tmp_path / "overlays").mkdir()
    write_image(tmp_path / "overlays" / "x.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="would overwrite the image"):
        run(tmp_path / "overlays", tmp_path, overlays=True)
    # By a link in the place of a label file, or of a folder of them.
    out = tmp_path / "out"
    out.mkdir()
    for link, target in (("b.png", "c.png"), ("a", "a")):
        (out / link).symlink_to(source / target)
        with pytest.raises(ValueError, match=r"would overwrite the image.*images"):
            run(source, out)
        (out / link).unlink()
    assert content_of(source) == before
    # A link that leads elsewhere stays one.
    (out / "b.png").symlink_to(tmp_path / "elsewhere.png")
    run(source, out)
    assert (out / "b.png").is_symlink()
    assert (tmp_path / "elsewhere.png").is_file()
    assert content_of(source) == before


def test_an_out_that_cannot_be_written_raises_at_once(source, tmp_path, monkeypatch):
    label = counted()
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        run(source, tmp_path / "file", label)
    out = tmp_path / "out"

    def refuse(self, mode, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)  # the owner of all files may write them
    with pytest.raises(PermissionError):
        run(source, out, label)
    assert label.n_calls == 0


def test_colliding_names_keep_their_suffix():
    names = ["a.jpg", "a.png", "b.jpg", "d/a.jpg", "B.tif", "c.d.png"]
    assert label_names(names) == [
        "a.jpg.png",
        "a.png.png",
        "b.jpg.png",
        "d/a.png",
        "B.tif.png",
        "c.d.png",
    ]
    # What is freed of a collision must not run into another.
    assert label_names(["a.jpg", "a.png", "a.jpg.tif"]) == [
        "a.jpg-2.png",
        "a.png.png",
        "a.jpg.png",
    ]
    assert label_names(["a.jpg", "a.jpg"]) == ["a.jpg.png", "a.jpg-2.png"]


@given(st.lists(st.from_regex(r"(d/)?[aA](\.jpg|\.png|-2)?(\.png)?", fullmatch=True)))
def test_label_names_are_unique_where_case_does_not_count(names):
    found = label_names(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert all(name.endswith(".png") for name in found)


def test_colliding_images_are_all_labelled(tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    for value, name in enumerate(["a.bmp", "a.png"]):
        write_image(source / name, np.full((3, 3, 3), 100 * value, np.uint8))
    out = tmp_path / "out"
    run(source, out)
    assert read_mask(out / "a.bmp.png").max() == 0
    assert read_mask(out / "a.png.png").min() == 1
    twice = [source / "a.bmp", source / "a.bmp"]
    assert len(run(twice, tmp_path / "twice").written) == 2
    assert len(run(twice, tmp_path / "twice").skipped) == 2


# Arguments


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (lambda rgb: np.zeros((3, 3), int), r"shape \(3, 3\) for image 'a/1.png'"),
        (lambda rgb: np.full(rgb.shape[:2], 4), "must be 0 to 3"),
        (lambda rgb: np.zeros(rgb.shape[:2]), "must be integers"),
    ],
)
def test_labels_that_are_none_of_the_image_are_refused(
    source, tmp_path, label, message
):
    with pytest.raises(ValueError, match=message):
        run(source, tmp_path / "out", label)


@pytest.mark.parametrize(
    "colors", [np.zeros((3, 3), np.uint8), np.zeros((4, 3)), np.zeros(4, np.uint8)]
)
def test_colours_must_be_one_for_each_cluster(source, tmp_path, colors):
    with pytest.raises(ValueError, match=r"uint8 of shape \(4, 3\)"):
        run(source, tmp_path / "out", colors=colors)


def test_names_are_of_clusters():
    assert names_of_clusters(None, 2) == ["", ""]
    assert names_of_clusters({1: "b"}, 3) == ["", "b", ""]
    assert names_of_clusters(["a"], 2) == ["a", ""]
    for names in ({2: "c"}, {"0": "a"}, ["a", "b", "c"]):
        with pytest.raises(ValueError, match="clusters are 0 to 1"):
            names_of_clusters(names, 2)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_is_shown_on_a_terminal_only(
    source, tmp_path, monkeypatch, capsys, terminal, progress
):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    run(source, tmp_path / "out", progress=progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("of 5 images" in shown.err) == (terminal and progress)


def test_all_is_quiet_when_all_is_well(source, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(source, tmp_path / "out")
    assert not caught
    assert _folders.OVERLAYS not in files_of(tmp_path / "out")


def test_another_picture_of_the_same_size_is_labelled_anew(tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()

    def run():
        return _folders.predict_folder(
            lambda rgb: (rgb[..., 0] > 127).astype(np.uint8),
            source,
            out,
            n_labels=2,
            fingerprint="model",
            progress=False,
        )

    _image_files.write_image(source / "a.bmp", np.zeros((4, 6, 3), np.uint8))
    run()
    _image_files.write_image(source / "a.bmp", np.full((4, 6, 3), 255, np.uint8))
    assert len(run().written) == 1
    assert _image_files.read_mask(out / "a.png").min() == 1
