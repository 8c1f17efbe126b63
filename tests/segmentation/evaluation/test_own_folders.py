"""Data sets of a user's own folders: which mask an image has, and what it holds."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation import ImageError, SegmentationDataset
from neuraleig.segmentation.evaluation._dataset_layouts import files_of_folders

PIL = pytest.importorskip("PIL.Image")
from_folders = SegmentationDataset.from_folders
# Stems as cameras and annotators make them.
STEMS = st.text("01aL_-. ", min_size=1, max_size=4).filter(
    lambda stem: stem[0] not in ". " and stem[-1] not in ". "
)


def make(root, images, masks, values=((0, 1), (2, 255))):
    for folder, names in (("images", images), ("masks", masks)):
        for name in names:
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.fromarray(np.array(values, np.uint8)).save(path)
    return root / "images", root / "masks"


def pairs(root):
    found = files_of_folders(root / "images", root / "masks")
    relative = ([path.relative_to(root) for path in paths] for paths in found)
    return [(a.as_posix(), b.as_posix()) for a, b in zip(*relative, strict=True)]


@pytest.mark.parametrize(
    ("images", "masks", "ending"),
    [
        (["a.jpg", "b.png"], ["a.png", "b.PNG"], None),
        (["x/a.jpg", "y/a.jpg"], ["x/a.png", "y/a.png"], None),
        (["0001.jpg", "0002.jpg"], ["0001_mask.png", "0002_mask.png"], "_mask"),
        (["d/1.jpg", "d/10.jpg"], ["d/1_L.png", "d/10_L.png"], "_L"),
        # One could be the mask of the other.
        (["1.jpg", "1_L.jpg"], ["1_L.png", "1_L_L.png"], "_L"),
        (["a.jpg"], ["a.jpg.png"], ".jpg"),
        (["a.b.jpg", "a.c.jpg"], ["a.b.png", "a.c.png"], None),
    ],
)
def test_masks_are_found_by_path_and_a_common_ending(tmp_path, images, masks, ending):
    make(tmp_path, images, masks)
    (tmp_path / "masks" / "readme.txt").touch()
    for image, mask in pairs(tmp_path):
        stem = image.removeprefix("images/").rpartition(".")[0]
        found = mask.removeprefix("masks/").rpartition(".")[0]
        assert found == stem + (ending or "")
    assert len(pairs(tmp_path)) == len(images)


@given(
    stems=st.sets(STEMS, min_size=1, max_size=6),
    ending=st.sampled_from(["", "_L", "-mask", ".gt", "_a_b"]),
)
def test_every_image_has_its_own_mask(tmp_path_factory, stems, ending):
    """Names are adversarial: they hold the endings and are parts of each other."""
    root = tmp_path_factory.mktemp("names")
    for folder, suffix in (("images", ".jpg"), ("masks", f"{ending}.png")):
        (root / folder).mkdir()
        for stem in stems:
            (root / folder / f"{stem}{suffix}").touch()
    try:
        found = pairs(root)
    except ValueError as error:
        # Another ending would do as well.
        assert "as many of each" in str(error)
    else:
        expected = {(f"images/{s}.jpg", f"masks/{s}{ending}.png") for s in stems}
        assert set(found) == expected


def test_lone_images_and_masks_are_named_at_once(tmp_path):
    folders = make(
        tmp_path,
        ["a.png", "b.png", "d.png"],
        ["a_L.png", "c_L.png", "d_L.png", "a.txt.png"],
    )
    with pytest.raises(FileNotFoundError) as caught:
        from_folders(*folders, ["a"])
    text = str(caught.value)
    assert text.startswith("there are images without mask: ")
    assert "b.png, and masks without image: " in text
    for name in ("c_L.png", "a.txt.png"):
        assert str(tmp_path / "masks" / name) in text


def test_endings_that_are_not_clear_are_refused(tmp_path):
    folders = make(tmp_path, ["1.jpg"], ["1_L.png", "1_color.png"])
    with pytest.raises(ValueError, match=r"end in _color and in _L, as many"):
        from_folders(*folders, ["a"])
    # 10 begins like 1, but is no name of it with an ending.
    folders = make(tmp_path / "other", ["1.jpg"], ["10.png"])
    with pytest.raises(FileNotFoundError, match=r"without mask: .*1\.jpg, and masks"):
        from_folders(*folders, ["a"])
    folders = make(tmp_path / "twice", ["1.jpg", "1.png"], ["1.png"])
    with pytest.raises(ValueError, match=r"there are both .*1\.jpg and .*1\.png"):
        from_folders(*folders, ["a"])


def test_folders_may_be_in_each_other_but_not_the_same(tmp_path):
    images, masks = make(tmp_path, ["a.png"], ["a.png"])
    (images / "masks").mkdir()
    (masks / "a.png").rename(images / "masks" / "a.png")
    dataset = from_folders(images, images / "masks", {"a": 0})
    assert dataset.images == [images / "a.png"]
    assert dataset.masks == [images / "masks" / "a.png"]
    with pytest.raises(ValueError, match="folder of the images and of the masks"):
        from_folders(images, str(images))
    for pair in ((tmp_path / "x", images), (images, tmp_path / "x")):
        with pytest.raises(FileNotFoundError, match="there is no "):
            from_folders(*pair)
    with pytest.raises(FileNotFoundError, match="has no image file"):
        from_folders(masks, images)


# Forms of the classes, their names, what the masks hold, and what they must read as.
FORMS = [
    (["a", "b", "c"], "abc", [[0, 1], [2, 255]], [[0, 1], [2, -1]]),
    (("a", "b", "c", "d"), "abcd", [[3, 1], [0, 255]], [[3, 1], [0, -1]]),
    ({0: "a", 2: "b"}, "ab", [[0, 1], [2, 255]], [[0, -1], [1, -1]]),
    ({"2": "b", "0": "a"}, "ba", [[0, 1], [2, 255]], [[1, -1], [0, -1]]),
    ({"a": 9, "b": np.int64(4)}, "ab", [[4, 9], [2, 255]], [[1, 0], [-1, -1]]),
    # Several integers of one class.
    ({1: "a", 2: "b", 3: "a"}, "ab", [[1, 2], [3, 0]], [[0, 1], [0, -1]]),
    # Names that are numbers.
    ({1: "2", 2: "1"}, "21", [[1, 2]], [[0, 1]]),
    (None, [f"class {i}" for i in range(4)], [[0, 3], [2, 255]], [[0, 3], [2, -1]]),
]


@pytest.mark.parametrize(("classes", "names", "values", "expected"), FORMS)
@pytest.mark.parametrize("has_palette", [False, True])
def test_classes_are_read_by_their_integers(
    tmp_path, classes, names, values, expected, has_palette
):
    folders = make(tmp_path, ["a.png"], ["a.png"], values)
    if has_palette:
        page = PIL.fromarray(np.array(values, np.uint8))
        page.putpalette([(7 * i) % 256 for i in range(768)])
        page.save(folders[1] / "a.png")
    dataset = from_folders(*folders, classes)
    for found in (dataset, pickle.loads(pickle.dumps(dataset))):
        np.testing.assert_array_equal(found.read_mask(0), expected)
        assert found.read_mask(0).dtype == np.int64
    assert dataset.ignore_index == -1
    assert dataset.class_names == tuple(names)


def test_colours_are_exact(tmp_path):
    colors = {"road": [128, 64, 128], "sky": (0, 0, 255), "lane": [128, 64, 129]}
    values = [[(128, 64, 128), (0, 0, 255)], [(128, 64, 129), (127, 64, 128)]]
    folders = make(tmp_path, ["a.png"], ["a.png"], values)
    dataset = from_folders(*folders, colors)
    assert dataset.class_names == ("road", "sky", "lane")
    np.testing.assert_array_equal(dataset.read_mask(0), [[0, 1], [2, -1]])
    # Colours of a palette, whose indices are others.
    page = PIL.fromarray(np.array(values, np.uint8)).convert(
        "P", palette=PIL.Palette.ADAPTIVE, colors=8
    )
    page.save(folders[1] / "a.png")
    np.testing.assert_array_equal(dataset.read_mask(0), [[0, 1], [2, -1]])


def test_more_classes_than_bytes(tmp_path):
    folders = make(tmp_path, ["a.png"], ["a.png"])
    PIL.fromarray(np.array([[255, 256, 300]], np.uint16)).save(folders[1] / "a.png")
    names = [f"{i}" for i in range(301)]
    dataset = from_folders(*folders, names, ignore_index=None)
    np.testing.assert_array_equal(dataset.read_mask(0), [[255, 256, 300]])
    # A list leaves out the name of what is ignored, and keeps the others' integers.
    dataset = from_folders(*folders, names)
    assert dataset.n_classes == 300
    np.testing.assert_array_equal(dataset.read_mask(0), [[-1, 255, 299]])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("road", "must be names"),
        ([], "must be names"),
        ({}, "must be names"),
        ([1, 2], "found 0: 1"),
        ([["a"]], "found 0"),
        ({"a": -1}, "found 'a': -1"),
        ({"a": 1.0}, "found 'a': 1.0"),
        ({"a": True}, "found 'a': True"),
        ({"a": None}, "found 'a': None"),
        ({"a": [1, 2]}, "found 'a'"),
        ({"a": [1, 2, 256]}, "found 'a'"),
        ({"a": "b"}, "found 'b': 'a'"),
        ({"a": 65536}, "found 'a'"),
        ({"a": 0, "b": 0}, "0 for 'a' and for 'b'"),
        ({"a": [0, 0, 0], "b": 1}, "all classes integers, or all colours"),
        ({"a": 1, "b": [0, 0, 0]}, "all classes integers, or all colours"),
        ({"a": 0, "b": 255}, "ignore_index=255 is the class 'b'"),
    ],
)
def test_other_classes_are_refused(tmp_path, classes, message):
    folders = make(tmp_path, ["a.png"], ["a.png"])
    with pytest.raises(ValueError, match=r"classes|ignore_index") as caught:
        from_folders(*folders, classes)
    assert message in str(caught.value)


def test_masks_of_something_else_are_refused(tmp_path):
    folders = make(tmp_path, ["a.png"], ["a.png"])
    with pytest.raises(ValueError, match=r"a\.png: .* value 2, and classes are 0 to 1"):
        from_folders(*folders, ["a", "b"]).read_mask(0)
    PIL.fromarray(np.zeros((2, 2, 3), np.uint8)).save(folders[1] / "a.png")
    with pytest.raises(ImageError, match=r"a\.png is a mask of colours; .*classes="):
        from_folders(*folders, ["a", "b"]).read_mask(0)
    with pytest.raises(ImageError, match=r"a\.png is a mask of colours; .*classes="):
        from_folders(*folders)
    PIL.fromarray(np.full((2, 2), 40000, np.uint16)).save(folders[1] / "a.png")
    with pytest.raises(ValueError, match=r"ignore_index=40000 .*, or classes"):
        from_folders(*folders)
