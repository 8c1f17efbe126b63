import os
import pickle
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

Image = pytest.importorskip("PIL.Image")

from neuraleig.segmentation.evaluation import SegmentationDataset  # noqa: E402
from neuraleig.segmentation.images import ImageError, ImageWarning  # noqa: E402
from neuraleig.segmentation.images._image_files import write_image  # noqa: E402
from neuraleig.segmentation.images._image_paths import natural_key  # noqa: E402
from neuraleig.segmentation.images._image_sets import as_image_set, readable  # noqa: E402


def picture(value, height=4, width=5):
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Tree with images of which the first pixel is their place in the order."""
    root = tmp_path / "images"
    names = ["a/2.png", "a/10.png", "A10/b.png", "b.PNG", "img_9.png", "img_10.png"]
    for place, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, picture(place))
    for name in (".hidden.png", "a/._2.png", ".git/x.png", "notes.txt", "a/x.npy"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"not an image")
    return root, names


def first_values(images):
    return [int(image[0, 0, 0]) for image in images]


def test_a_folder_is_searched_in_natural_order(folder):
    root, names = folder
    for given_folder in (root, str(root)):
        images = as_image_set(given_folder)
        assert images.names == names
        assert first_values(images) == list(range(len(names)))
        assert images.path(1) == root / "a/10.png"
        assert images.size(1) == (4, 5)


@given(numbers=st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_in_names_are_in_order(numbers):
    names = [f"frame{number}_x.png" for number in numbers]
    expected = [f"frame{number}_x.png" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == expected


@given(names=st.lists(st.text(min_size=1), unique=True))
def test_any_names_have_an_order(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


def test_a_name_comes_before_those_that_begin_with_it():
    names = ["b.png", "b2.png", "b10.png", "ba.png", "c.png"]
    assert sorted(names, key=natural_key) == names


def test_links_do_not_loop(folder):
    root, names = folder
    (root / "a" / "up").symlink_to(root)
    (root / "aa").symlink_to(root / "a")
    outside = root.parent / "outside"
    outside.mkdir()
    write_image(outside / "z.png", picture(99))
    (outside / "back").symlink_to(root)
    (root / "zz").symlink_to(outside)
    images = as_image_set(root)
    assert images.names == [*names, "zz/z.png"]


def test_broken_links_are_unreadable_and_pipes_no_images(folder):
    root, names = folder
    (root / "z.png").symlink_to(root / "gone.png")
    os.mkfifo(root / "zz.png")
    images = as_image_set(root)
    assert images.names == [*names, "z.png"]
    with pytest.warns(ImageWarning, match=r"1 of 7.*z\.png': there is no such file"):
        assert readable(images).names == names


def test_a_folder_inside_can_be_left_out(folder):
    root, names = folder
    assert as_image_set(root, exclude=root / "a").names == names[2:]
    assert as_image_set(root, exclude=root / "none").names == names


@pytest.mark.parametrize("kind", [str, Path, Image.open, np.asarray, torch.as_tensor])
def test_one_image_in_any_form_is_a_set(folder, kind):
    path = folder[0] / "b.PNG"
    if kind is np.asarray:
        one = picture(3)
    elif kind is torch.as_tensor:
        one = torch.from_numpy(picture(3)).permute(2, 0, 1)
    else:
        one = kind(path)
    images = as_image_set(one)
    assert len(images) == 1
    np.testing.assert_array_equal(images[0], picture(3))
    assert images.names == (["b.PNG"] if kind in (str, Path) else ["image_0000"])


def test_a_list_may_mix_forms(folder):
    root, _ = folder
    one = Image.fromarray(picture(7))
    forms = [
        root / "b.PNG",
        picture(5),
        one,
        torch.zeros(3, 6, 8),
        str(root / "a/2.png"),
    ]
    for container in (forms, tuple(forms)):
        images = as_image_set(container)
        names = ["b.PNG", "image_0001", "image_0002", "image_0003", "2.png"]
        assert images.names == names
        assert first_values(images) == [3, 5, 7, 0, 0]
        assert [images.size(i) for i in range(5)] == [
            image.shape[:2] for image in images
        ]
    assert images.path(4) == root / "a/2.png"
    assert images.path(1) is None


def test_files_of_one_name_are_named_with_their_folders(tmp_path):
    paths = [tmp_path / "x" / "1.png", tmp_path / "y" / "z" / "1.png"]
    assert as_image_set(paths).names == ["x/1.png", "y/z/1.png"]


def test_tables_of_paths_are_lists(folder):
    root, names = folder
    paths = [str(root / name) for name in names]
    for table in (np.array(paths), np.array(paths, object), pd.Series(paths)[::-1]):
        expected = range(6) if isinstance(table, np.ndarray) else range(5, -1, -1)
        assert first_values(as_image_set(table)) == list(expected)


@pytest.mark.parametrize("n_images", [1, 3])
def test_stacks_are_sets(n_images):
    stack = np.stack([picture(value) for value in range(n_images)])
    tensor = torch.from_numpy(stack).permute(0, 3, 1, 2)
    for images in (as_image_set(stack), as_image_set(tensor)):
        assert len(images) == n_images
        assert first_values(images) == list(range(n_images))
        assert images.size(0) == (4, 5)


class Dataset(torch.utils.data.Dataset):
    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.make(index)


@pytest.mark.parametrize(
    "make",
    [
        picture,
        lambda i: (picture(i), 4),
        lambda i: {"image": Image.fromarray(picture(i)), "label": 4},
        lambda i: (torch.from_numpy(picture(i)).permute(2, 0, 1), None),
    ],
)
def test_data_sets_give_images_alone_or_with_something(make):
    images = as_image_set(Dataset(make))
    assert images.names == ["image_0000", "image_0001", "image_0002"]
    assert first_values(images) == [0, 1, 2]
    assert images.size(2) == (4, 5)
    assert images.path(0) is None


def test_names_have_enough_digits():
    images = as_image_set(Dataset(picture))
    assert images.subset([0]).names == ["image_0000"]

    class Large(Dataset):
        def __len__(self):
            return 12_345

    assert as_image_set(Large(picture)).names[-1] == "image_12344"


def test_parts_of_a_set():
    images = as_image_set([picture(value) for value in range(6)])
    part = images.subset([4, 0, 2])
    assert first_values(part) == [4, 0, 2]
    assert part.names == ["image_0004", "image_0000", "image_0002"]
    assert first_values(part.subset(np.array([2, 0]))) == [2, 4]
    assert images[-1][0, 0, 0] == 5
    assert images[np.int64(3)][0, 0, 0] == 3
    with pytest.raises(IndexError):
        images[6]
    assert len(images.subset([])) == 0
    assert as_image_set(part) is part


def test_sets_are_pickled(folder):
    images = as_image_set(folder[0]).subset([3, 1])
    again = pickle.loads(pickle.dumps(images))
    assert again.names == images.names
    assert first_values(again) == [3, 1]


def test_what_is_decoded_is_not_kept(folder):
    images = as_image_set(folder[0])
    image = images[0]
    alive = weakref.ref(image)
    del image
    assert alive() is None


def test_nothing_is_read_before_it_is_asked_for(folder):
    def fail(index):
        raise AssertionError

    assert len(as_image_set(Dataset(fail))) == 3


def test_unreadable_images_are_listed(folder):
    root, names = folder
    (root / "b.PNG").write_bytes(b"")
    whole = (root / "a" / "2.png").read_bytes()
    (root / "a" / "2.png").write_bytes(whole[:-30])
    with pytest.warns(ImageWarning, match="2 of 6 images cannot be read") as caught:
        images = readable(as_image_set(root))
    assert images.names == [n for n in names if n not in ("b.PNG", "a/2.png")]
    reasons = str(caught[0].message).split("; ")
    assert f"cannot read image {str(root / 'a' / '2.png')!r}" in reasons[0]
    assert "b.PNG': the file is empty" in reasons[1]
    with pytest.raises(ValueError, match="none of the 1 images can be read"):
        readable(as_image_set([root / "b.PNG"]))


def test_errors_of_items_name_them():
    images = as_image_set([picture(0), np.full((4, 5), np.nan), "missing.png", [1]])
    with pytest.raises(ImageError, match="'image_0001': it has NaN"):
        images[1]
    with pytest.raises(ImageError, match=r"'missing\.png': there is no such file"):
        images[2]
    for reader in (images.__getitem__, images.size):
        with pytest.raises(TypeError, match="'image_0003' of type list"):
            reader(3)

    def fail(index):
        raise OSError("disk on fire")

    with pytest.raises(ImageError, match="'image_0001': disk on fire"):
        as_image_set(Dataset(fail))[1]
    with pytest.raises(TypeError, match="store the image at 'image'"):
        as_image_set([{"picture": picture(0)}])[0]


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([], ValueError, "images is empty"),
        (np.zeros((0, 4, 5, 3), np.uint8), ValueError, "images is empty"),
        ("/no/such/place", ImageError, "/no/such/place"),
        (iter([picture(0)]), TypeError, "pass a list"),
        ((picture(i) for i in range(3)), TypeError, "generator.*pass a list"),
        (torch.utils.data.DataLoader([picture(0)]), TypeError, "DataLoader.*pass a"),
        ({0: picture(0)}, TypeError, "dict"),
        ({"a.png"}, TypeError, "set"),
        (b"a.png", TypeError, "bytes"),
        (None, TypeError, "NoneType"),
        (5, TypeError, "int"),
        (np.zeros(4), ImageError, "2 or 3 dimensions"),
        (np.zeros((2, 2, 4, 5, 3)), ImageError, "a stack of images 4"),
        (np.zeros((7, 40, 50)), ImageError, "as a list"),
        (torch.zeros(7, 40, 50), ImageError, "as a list"),
    ],
)
def test_what_is_no_set_of_images_is_refused(images, error, message):
    with pytest.raises(error, match=message):
        as_image_set(images)


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"\.jpeg, \.jpg") as caught:
        as_image_set(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_masks_of_a_data_set_are_not_read(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((4, 6, 3), np.uint8))
    masks = [tmp_path / "missing.png"]
    dataset = SegmentationDataset([tmp_path / "a.png"], masks, ("ground",))
    found = as_image_set(dataset)
    assert found[0].shape == (4, 6, 3)
    assert found.path(0) == tmp_path / "a.png"
