"""Labels in COCO's format, read back by a slow decoder of its own."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

Image = pytest.importorskip("PIL.Image")

from neuraleig.segmentation.images import ImageWarning, read_mask  # noqa: E402
from neuraleig.segmentation.outputs import label_colors  # noqa: E402
from neuraleig.segmentation.outputs._coco import (  # noqa: E402
    checked_coco,
    cluster_annotations,
    compressed,
    write_coco,
)
from neuraleig.segmentation.outputs._folders import predict_folder  # noqa: E402


def numbers_of(text):
    """Integers of a text, character by character."""
    numbers, bits = [], ""
    for character in text:
        value = ord(character) - 48
        assert 0 <= value < 64
        bits = f"{value % 32:05b}{bits}"
        if value < 32:
            number = int(bits, 2)
            numbers.append(number - 2 ** len(bits) if bits[0] == "1" else number)
            bits = ""
    assert bits == ""
    return numbers


def lengths_of(text):
    lengths = []
    for place, number in enumerate(numbers_of(text)):
        lengths.append(number + (lengths[place - 2] if place > 2 else 0))
    return lengths


def mask_of(segmentation):
    """Pixels of a mask, one after the other down the columns."""
    height, width = segmentation["size"]
    mask = np.zeros((height, width), dtype=bool)
    place, value = 0, False
    for length in lengths_of(segmentation["counts"]):
        for pixel in range(place, place + length):
            mask[pixel % height, pixel // height] = value
        place, value = place + length, not value
    assert place == height * width
    return mask


LABELS = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16, np.int64]),
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.integers(0, 4),
)


@given(labels=LABELS, repeats=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_masks_are_the_pixels_of_their_clusters(labels, repeats):
    labels = labels.repeat(repeats[0], axis=0).repeat(repeats[1], axis=1)
    found = list(cluster_annotations(labels))
    assert [entry["category_id"] for entry in found] == sorted(set(labels.ravel()))
    for entry in found:
        mask = mask_of(entry["segmentation"])
        np.testing.assert_array_equal(mask, labels == entry["category_id"])
        rows, columns = np.nonzero(mask)
        left, top, width, height = entry["bbox"]
        assert (left, left + width - 1) == (columns.min(), columns.max())
        assert (top, top + height - 1) == (rows.min(), rows.max())
        assert entry["area"] == mask.sum()
        assert entry["iscrowd"] == 0
        # All of it is JSON.
        assert json.loads(json.dumps(entry)) == entry


# Ends of what so many characters hold, on either side of 0.
BORDERS = [16 * 32**n + change for n in range(6) for change in (-1, 0, 1)]


@given(st.lists(st.sampled_from(BORDERS) | st.integers(0, 2**34 - 1), max_size=9))
def test_lengths_of_any_size_are_read_back(lengths):
    text = compressed(np.array(lengths, dtype=np.int64))
    assert lengths_of(text) == lengths
    # No number takes more characters than it needs.
    for number, part in zip(numbers_of(text), parts_of(text), strict=True):
        n_bits = len(part) * 5
        assert -(2 ** (n_bits - 1)) <= number < 2 ** (n_bits - 1)
        n_bits -= 5
        assert not n_bits or not -(2 ** (n_bits - 1)) <= number < 2 ** (n_bits - 1)


def parts_of(text):
    parts = [""]
    for character in text:
        parts[-1] += character
        if ord(character) - 48 < 32:
            parts.append("")
    return parts[:-1]


def test_known_texts():
    """By hand: 16 is 10000, then 0; 3 - 16 is -13, or 10011."""
    assert compressed(np.array([3])) == "3"
    assert compressed(np.array([16])) == "`0"
    assert compressed(np.array([0, 16, 5, 3])) == "0`05C"
    # One pixel of four: 2 zeros, a one, a zero.
    zeros, ones = cluster_annotations(np.array([[0, 1], [0, 0]], np.uint8))
    assert ones["segmentation"] == {"size": [2, 2], "counts": "211"}
    # No zero before 2 ones, a zero, and a one: 1 - 2 is -1, or 11111.
    assert zeros["segmentation"] == {"size": [2, 2], "counts": "021O"}


def write(path, seed, shape=(7, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    Image.fromarray(values).save(path)


@pytest.fixture
def source(tmp_path):
    for number, name in enumerate(("a/1.png", "a/2.png", "b.png")):
        write(tmp_path / "images" / name, number, (6 + number, 9))
    return tmp_path / "images"


def levels(rgb):
    """Labels 0, 1 and 3 of four."""
    return np.array([0, 1, 3, 3])[rgb[:, :, 0] // 64]


def run(source, out, label=levels, *, coco, n_labels=4):
    names = {1: "sky"}
    options = {"n_labels": n_labels, "fingerprint": "one", "names": names}
    report = predict_folder(label, source, out, **options)
    write_coco(coco, report.manifest)
    return report


def test_a_folder_is_one_file(source, tmp_path):
    out = tmp_path / "labels"
    run(source, out, coco=out / "coco.json")
    content = json.loads((out / "coco.json").read_text("ascii"))
    assert set(content) == {"images", "categories", "annotations"}
    assert content["images"] == [
        {"id": 1, "file_name": "a/1.png", "width": 9, "height": 6},
        {"id": 2, "file_name": "a/2.png", "width": 9, "height": 7},
        {"id": 3, "file_name": "b.png", "width": 9, "height": 8},
    ]
    categories = content["categories"]
    assert [category["id"] for category in categories] == [0, 1, 2, 3]
    names = [category["name"] for category in categories]
    assert names == ["cluster 0", "sky", "cluster 2", "cluster 3"]
    assert [c["color"] for c in categories] == label_colors(4).tolist()
    entries = content["annotations"]
    assert [entry["id"] for entry in entries] == list(range(1, len(entries) + 1))
    for image in content["images"]:
        # Every pixel is in one mask.
        labels = np.full((image["height"], image["width"]), -1)
        for entry in entries:
            if entry["image_id"] == image["id"]:
                mask = mask_of(entry["segmentation"])
                assert (labels[mask] == -1).all()
                labels[mask] = entry["category_id"]
        np.testing.assert_array_equal(labels, read_mask(out / image["file_name"]))


@pytest.mark.filterwarnings("default::neuraleig.segmentation.ImageWarning")
def test_a_resumed_run_has_all_images(source, tmp_path):
    whole, parts = tmp_path / "whole.json", tmp_path / "parts.json"
    run(source, tmp_path / "one", coco=whole)

    def stops(rgb):
        if rgb.shape[0] == 8:
            raise KeyboardInterrupt
        return levels(rgb)

    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "two", stops, coco=parts)
    assert not parts.exists()
    report = run(source, tmp_path / "two", coco=parts)
    assert (len(report.skipped), len(report.written)) == (2, 1)
    assert parts.read_bytes() == whole.read_bytes()
    # Of a run where all is done; the record of the folder is as before.
    run(source, tmp_path / "three", coco=tmp_path / "other.json")
    manifest = (tmp_path / "three" / "manifest.json").read_bytes()
    report = run(source, tmp_path / "three", coco=parts)
    assert report.written == []
    assert parts.read_bytes() == whole.read_bytes()
    assert (tmp_path / "three" / "manifest.json").read_bytes() == manifest
    # What has no labels has no entry.
    (source / "a" / "0.png").write_bytes(b"")
    with pytest.warns(ImageWarning, match="1 of 4"):
        run(source, tmp_path / "three", coco=parts)
    assert parts.read_bytes() == whole.read_bytes()


def test_more_clusters_than_bytes(source, tmp_path):
    path = tmp_path / "coco.json"
    run(source, tmp_path / "o", lambda rgb: levels(rgb) * 100, n_labels=301, coco=path)
    content = json.loads(path.read_text("ascii"))
    assert len(content["categories"]) == 301
    assert {e["category_id"] for e in content["annotations"]} == {0, 100, 300}


def test_a_failure_leaves_the_former_file(source, tmp_path, monkeypatch):
    path, out = tmp_path / "coco.json", tmp_path / "labels"
    run(source, out, coco=path)
    before = path.read_bytes()
    # Between the last image and the file.
    broken = read_mask
    monkeypatch.setattr(
        "neuraleig.segmentation.outputs._coco.read_mask",
        lambda path: broken(path if path.name != "b.png" else path.parent / "none.png"),
    )
    with pytest.raises(ValueError, match=r"none\.png"):
        run(source, out, coco=path)
    assert path.read_bytes() == before
    left = sorted(p.name for p in tmp_path.iterdir())
    assert left == ["coco.json", "images", "labels"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("labels/manifest.json", "is the manifest"),
        ("x/y.json", r"is in the folder .*x, which does not exist; make it first"),
        ("labels.txt", r"must be the name of a \.json file"),
        ("images", r"must be the name of a \.json file"),
    ],
)
def test_names_of_files_that_cannot_be_are_refused(source, tmp_path, name, message):
    with pytest.raises(ValueError, match=f"coco=.* {message}"):
        checked_coco(tmp_path / name, tmp_path / "labels")
    for name in ("labels/coco.json", "coco.json", "other.JSON"):
        assert checked_coco(tmp_path / name, tmp_path / "labels") == tmp_path / name
