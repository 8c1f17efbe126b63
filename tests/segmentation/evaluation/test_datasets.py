"""Tiny trees in the layouts in which the sets are published."""

import pickle

import numpy as np
import pytest
from scipy.io import savemat

from neuraleig.segmentation.evaluation import SegmentationDataset, load_dataset
from neuraleig.segmentation.evaluation._class_names import (
    ADE20K_150,
    CITYSCAPES_19,
    CITYSCAPES_27,
    PASCAL_CONTEXT_59,
)
from neuraleig.segmentation.evaluation._datasets import DATASETS

PIL = pytest.importorskip("PIL.Image")

# Some of the 459 labels of Pascal Context, by their published ids.
LABELS_459 = {
    2: "aeroplane",
    9: "bag",
    80: "cloth",
    81: "clothes",
    397: "table",
    427: "tvmonitor",
    458: "wood",
}


def write_image(path, shape=(2, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.fromarray(np.zeros((*shape, 3), dtype=np.uint8)).save(path)


def write_mask(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.fromarray(np.array(values, dtype=np.uint8)).save(path)


def write_text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


CAMVID_VALUES = [[0, 10, 11], [5, 3, 255]]
CAMVID_CLASSES = [[0, 10, 255], [5, 3, 255]]


def camvid(root):
    for name in ("b", "a"):
        write_image(root / "val" / "images" / f"{name}.jpg")
        write_mask(root / "val" / "labels" / f"{name}.png", CAMVID_VALUES)


def camvid_tutorial(root):
    for name in ("b", "a"):
        write_image(root / "CamVid" / "val" / f"{name}.png")
        write_mask(root / "CamVid" / "valannot" / f"{name}.png", CAMVID_VALUES)


def cityscapes(root):
    for name in ("ulm/ulm_000001_000019", "bonn/bonn_000002_000019"):
        write_image(root / "leftImg8bit" / "val" / f"{name}_leftImg8bit.png")
        masks = root / "gtFine" / "val"
        write_mask(masks / f"{name}_gtFine_labelIds.png", [[0, 7, 8], [9, 33, 6]])
        # What else the archive holds.
        write_mask(masks / f"{name}_gtFine_instanceIds.png", [[0]])
        write_mask(masks / f"{name}_gtFine_color.png", [[0]])


def ade20k(root):
    base = root / "ADEChallengeData2016"
    for name in ("ADE_val_00000002", "ADE_val_00000001"):
        write_image(base / "images" / "validation" / f"{name}.jpg")
        masks = base / "annotations" / "validation"
        write_mask(masks / f"{name}.png", [[0, 1, 2], [150, 149, 13]])


def pascal_context(root):
    base = root / "VOC2010"
    # Listed neither in order nor in full.
    for name in ("2008_000002", "2008_000001", "2008_000003"):
        write_image(base / "JPEGImages" / f"{name}.jpg")
        masks = base / "SegmentationClassContext"
        write_mask(masks / f"{name}.png", [[0, 1, 2], [18, 59, 50]])
    lists = base / "ImageSets" / "SegmentationContext"
    write_text(lists / "val.txt", "2008_000002", "2008_000001")


def pascal_context_published(root):
    base = root / "VOC2010"
    for name in ("2008_000002", "2008_000001", "2008_000003"):
        write_image(base / "JPEGImages" / f"{name}.jpg")
        (root / "trainval").mkdir(parents=True, exist_ok=True)
        labels = np.array([[459, 2, 9], [80, 458, 397]], dtype=np.uint16)
        savemat(root / "trainval" / f"{name}.mat", {"LabelMap": labels})
    write_text(base / "ImageSets" / "Main" / "val.txt", "2008_000002", "2008_000001")
    names = dict(LABELS_459)
    free = (i for i in range(1, 460) if i not in names)
    for name in PASCAL_CONTEXT_59:
        if name not in names.values():
            names[next(free)] = name
    for i in free:
        names[i] = f"rare {i}"
    write_text(root / "labels.txt", *(f"{i}: {names[i]}" for i in sorted(names)))


# Name of the set, its tree, what the masks must read as, names of the images.
CASES = [
    ("camvid", camvid, CAMVID_CLASSES, ["a.jpg", "b.jpg"]),
    ("camvid", camvid_tutorial, CAMVID_CLASSES, ["a.png", "b.png"]),
    (
        "cityscapes",
        cityscapes,
        [[255, 0, 1], [255, 18, 255]],
        ["bonn_000002_000019_leftImg8bit.png", "ulm_000001_000019_leftImg8bit.png"],
    ),
    (
        "cityscapes27",
        cityscapes,
        [[255, 0, 1], [2, 26, 255]],
        ["bonn_000002_000019_leftImg8bit.png", "ulm_000001_000019_leftImg8bit.png"],
    ),
    (
        "ade20k",
        ade20k,
        [[255, 0, 1], [149, 148, 12]],
        ["ADE_val_00000001.jpg", "ADE_val_00000002.jpg"],
    ),
    (
        "pascal_context",
        pascal_context,
        [[255, 0, 1], [17, 58, 49]],
        ["2008_000002.jpg", "2008_000001.jpg"],
    ),
    (
        "pascal_context60",
        pascal_context,
        [[0, 1, 2], [18, 59, 50]],
        ["2008_000002.jpg", "2008_000001.jpg"],
    ),
    (
        "pascal_context",
        pascal_context_published,
        [[255, 0, 1], [17, 58, 49]],
        ["2008_000002.jpg", "2008_000001.jpg"],
    ),
    (
        "pascal_context60",
        pascal_context_published,
        [[0, 1, 2], [18, 59, 50]],
        ["2008_000002.jpg", "2008_000001.jpg"],
    ),
]
TREES = [(name, tree) for name, tree, _, _ in CASES]


@pytest.mark.parametrize(("name", "tree", "classes", "images"), CASES)
def test_sets_are_read_from_their_layout(tmp_path, name, tree, classes, images):
    tree(tmp_path)
    for dataset in (
        load_dataset(name, tmp_path),
        pickle.loads(pickle.dumps(load_dataset(name, str(tmp_path), "val"))),
    ):
        assert [path.name for path in dataset.images] == images
        assert (dataset.name, dataset.split, dataset.ignore_index) == (name, "val", 255)
        assert len(dataset) == len(list(dataset)) == 2
        for (path, mask), image in zip(dataset, dataset.images, strict=True):
            assert path == image
            assert mask.dtype == np.int64
            np.testing.assert_array_equal(mask, classes)


@pytest.mark.parametrize(
    ("name", "n_classes", "some"),
    [
        ("camvid", 11, {0: "Sky", 3: "Road", 10: "Bicyclist"}),
        ("cityscapes", 19, {0: "road", 2: "building", 13: "car", 18: "bicycle"}),
        ("cityscapes27", 27, {0: "road", 2: "parking", 10: "pole", 26: "bicycle"}),
        ("ade20k", 150, {0: "wall", 12: "person", 20: "car", 149: "flag"}),
        ("pascal_context", 59, {0: "aeroplane", 36: "person", 58: "wood"}),
        ("pascal_context60", 60, {0: "background", 37: "person", 59: "wood"}),
    ],
)
def test_classes_are_named_in_the_order_of_their_ids(name, n_classes, some):
    names = DATASETS[name].class_names
    assert len(names) == len(set(names)) == n_classes
    assert {i: names[i] for i in some} == some
    # Every class has one value of the files.
    table = [c for c in DATASETS[name].table if c != 255]
    assert sorted(table) == list(range(n_classes))


def test_cityscapes_scores_19_of_its_27_classes_under_the_same_names():
    few, many = DATASETS["cityscapes"].table, DATASETS["cityscapes27"].table
    assert len(few) == len(many) == 34
    both = [(a, b) for a, b in zip(few, many, strict=True) if a != 255]
    assert [CITYSCAPES_19[a] for a, _ in both] == [CITYSCAPES_27[b] for _, b in both]
    # The train ids of the official table.
    assert [i for i, c in enumerate(few) if c != 255] == [
        *(7, 8, 11, 12, 13, 17, 19, 20, 21, 22),
        *(23, 24, 25, 26, 27, 28, 31, 32, 33),
    ]


def test_archives_may_be_given_by_their_own_folder(tmp_path):
    ade20k(tmp_path)
    pascal_context(tmp_path)
    camvid_tutorial(tmp_path)
    assert len(load_dataset("ade20k", tmp_path / "ADEChallengeData2016")) == 2
    assert len(load_dataset("pascal_context", tmp_path / "VOC2010")) == 2
    assert len(load_dataset("camvid", tmp_path / "CamVid")) == 2


def test_other_files_are_passed_over(tmp_path):
    camvid(tmp_path)
    (tmp_path / "val" / "images" / "Thumbs.db").touch()
    (tmp_path / "val" / "images" / "._a.jpg").touch()
    (tmp_path / "val" / "labels" / "readme.txt").touch()
    assert len(load_dataset("camvid", tmp_path)) == 2


@pytest.mark.parametrize(("name", "tree"), TREES)
def test_missing_folders_show_the_layout(tmp_path, name, tree):
    with pytest.raises(FileNotFoundError, match="layout") as caught:
        load_dataset(name, tmp_path)
    for line in DATASETS[name].layout.splitlines():
        assert line in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    # The other split is not there.
    tree(tmp_path)
    with pytest.raises(FileNotFoundError, match="train"):
        load_dataset(name, tmp_path, "train")


@pytest.mark.parametrize(("name", "tree"), TREES)
@pytest.mark.parametrize("lost", ["images", "masks"])
def test_images_and_masks_without_the_other_are_named(tmp_path, name, tree, lost):
    tree(tmp_path)
    dataset = load_dataset(name, tmp_path)
    alone = getattr(dataset, lost)[0]
    alone.unlink()
    with pytest.raises(FileNotFoundError, match="layout") as caught:
        load_dataset(name, tmp_path)
    stem = alone.stem.removesuffix("_leftImg8bit").removesuffix("_gtFine_labelIds")
    assert stem in str(caught.value)


def test_many_lone_files_are_counted(tmp_path):
    camvid(tmp_path)
    for i in range(5):
        write_image(tmp_path / "val" / "images" / f"more{i}.jpg")
    with pytest.raises(FileNotFoundError, match=r"without mask: .*and 2 more"):
        load_dataset("camvid", tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path):
    camvid(tmp_path)
    write_image(tmp_path / "val" / "images" / "a.png")
    with pytest.raises(ValueError, match=r"both a\.jpg and a\.png"):
        load_dataset("camvid", tmp_path)


@pytest.mark.parametrize("tree", [pascal_context, pascal_context_published])
def test_empty_lists_are_refused(tmp_path, tree):
    tree(tmp_path)
    (found,) = (tmp_path / "VOC2010" / "ImageSets").glob("*/val.txt")
    found.write_text("\n")
    with pytest.raises(FileNotFoundError, match="lists no image"):
        load_dataset("pascal_context", tmp_path)


def test_labels_of_pascal_context_must_name_its_classes(tmp_path):
    pascal_context_published(tmp_path)
    write_text(tmp_path / "labels.txt", "1: accordion", "2: aeroplane")
    with pytest.raises(ValueError, match="no line for bag, bed") as caught:
        load_dataset("pascal_context", tmp_path)
    assert "layout" in str(caught.value)
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels\.txt"):
        load_dataset("pascal_context", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"Other": np.zeros((2, 3))}, "no variable LabelMap"),
        ({"LabelMap": np.array([[460, 1]], np.uint16)}, "value 460"),
        ({"LabelMap": np.zeros((2, 3, 3), np.uint8)}, r"shape is \(2, 3, 3\)"),
    ],
)
def test_mat_files_must_hold_labels(tmp_path, content, message):
    pascal_context_published(tmp_path)
    dataset = load_dataset("pascal_context", tmp_path)
    savemat(dataset.masks[0], content)
    with pytest.raises(ValueError, match=message) as caught:
        dataset.read_mask(0)
    assert str(dataset.masks[0]) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "tree", "value"),
    [
        ("camvid", camvid, 12),
        ("cityscapes", cityscapes, 34),
        ("ade20k", ade20k, 151),
        ("pascal_context", pascal_context, 60),
    ],
)
def test_masks_of_something_else_are_refused(tmp_path, name, tree, value):
    tree(tmp_path)
    dataset = load_dataset(name, tmp_path)
    write_mask(dataset.masks[1], [[0, value]])
    with pytest.raises(ValueError, match=f"value {value}; .* 0 to {value - 1}") as e:
        dataset.read_mask(1)
    assert str(dataset.masks[1]) in str(e.value)
    PIL.fromarray(np.array([[300]], dtype=np.uint16)).save(dataset.masks[1])
    with pytest.raises(ValueError, match="value 300"):
        dataset.read_mask(1)
    write_image(dataset.masks[1])
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\)|RGB|colour"):
        dataset.read_mask(1)


def test_palette_masks_are_read_by_index(tmp_path):
    camvid(tmp_path)
    dataset = load_dataset("camvid", tmp_path)
    indexed = PIL.fromarray(np.array(CAMVID_VALUES, dtype=np.uint8))
    indexed.putpalette([(i * 7) % 256 for i in range(768)])
    assert indexed.mode == "P"
    indexed.save(dataset.masks[0])
    np.testing.assert_array_equal(dataset.read_mask(0), CAMVID_CLASSES)


def test_unknown_sets_and_splits_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name='voc' must be one of camvid, city"):
        load_dataset("voc", tmp_path)
    with pytest.raises(ValueError, match="split='test' must be one of train, val"):
        load_dataset("ade20k", tmp_path, "test")


def test_sets_of_ones_own(tmp_path):
    for i in range(3):
        write_image(tmp_path / f"{i}.jpg")
        write_mask(tmp_path / f"{i}.png", [[i, 0, 1], [1, 0, 9]])
    dataset = SegmentationDataset(
        [tmp_path / f"{i}.jpg" for i in range(3)],
        [tmp_path / f"{i}.png" for i in range(3)],
        ("a", "b", "c"),
        ignore_index=9,
    )
    np.testing.assert_array_equal(dataset[2][1], [[2, 0, 1], [1, 0, 9]])
    part = dataset.subset([2, 0])
    assert [path.name for path in part.images] == ["2.jpg", "0.jpg"]
    assert (part.class_names, part.ignore_index, len(part)) == (("a", "b", "c"), 9, 2)
    np.testing.assert_array_equal(part.read_mask(0), dataset.read_mask(2))


def test_sets_need_a_mask_per_image_and_names(tmp_path):
    with pytest.raises(ValueError, match="1 images but 0 masks"):
        SegmentationDataset([tmp_path], [], ("a",))
    with pytest.raises(ValueError, match="class_names is empty"):
        SegmentationDataset([], [], ())


def test_ids_of_ade20k_and_pascal_context_begin_after_no_class():
    assert DATASETS["ade20k"].table[ADE20K_150.index("flag") + 1] == 149
    assert DATASETS["pascal_context"].table[0] == 255
    assert DATASETS["pascal_context60"].table[0] == 0
