import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuraleig.segmentation.evaluation import (
    PROTOCOLS,
    Protocol,
    SegmentationDataset,
    evaluate,
)
from neuraleig.segmentation.evaluation._protocols import center_crop
from neuraleig.segmentation.images._resize import (
    resize_mask,
    resized_to,
    short_side_size,
)

PIL = pytest.importorskip("PIL.Image")

COLORS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [90, 90, 90]], np.uint8)


def scene(shape, seed, n_classes=3):
    """Mask of blocks and the image of their colours."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, n_classes, (shape[0] // 8, shape[1] // 8))
    mask = np.kron(blocks, np.ones((8, 8), dtype=np.int64))
    return COLORS[mask], mask


def by_color(image):
    """The cluster of every pixel: 3 for red, 1 for green, 0 for blue, 2 for grey."""
    distances = np.abs(image[:, :, None].astype(int) - COLORS).sum(axis=-1)
    return np.array([3, 1, 0, 2])[distances.argmin(axis=-1)]


@pytest.fixture
def dataset(tmp_path):
    images, masks = [], []
    for i, shape in enumerate([(64, 80), (96, 64), (64, 64)]):
        image, mask = scene(shape, seed=i)
        mask[:8] = 255
        images.append(tmp_path / f"{i}.png")
        masks.append(tmp_path / f"{i}_mask.png")
        PIL.fromarray(image).save(images[-1])
        PIL.fromarray(mask.astype(np.uint8)).save(masks[-1])
    return SegmentationDataset(images, masks, ("a", "b", "c"), name="own", split="val")


def test_the_published_settings():
    reco = PROTOCOLS["reco"]
    assert (reco.size, reco.window_size, reco.stride) == (320, 320, 320)
    assert reco.for_dataset("cityscapes27") == reco
    full = PROTOCOLS["sliding_window"]
    windows = {
        name: (p.window_size, p.stride, p.size)
        for name in ("pascal_context60", "cityscapes", "ade20k", "camvid")
        for p in [full.for_dataset(name)]
    }
    assert windows == {
        "pascal_context60": (480, 320, None),
        "cityscapes": (768, 512, None),
        "ade20k": (512, 512, None),
        "camvid": (None, None, None),
    }


@given(st.integers(1, 700), st.integers(1, 700))
def test_reco_scores_squares_of_any_image(height, width):
    image = np.zeros((height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    new_height, new_width = short_side_size(height, width, 40, cut=True)
    assert min(new_height, new_width) == 40
    # The long side is within a pixel of the aspect.
    longest = 40 * max(height, width) / min(height, width)
    assert 0 <= longest - max(new_height, new_width) < 1
    if max(height, width) < 20 * min(height, width):
        image, mask = Protocol("small", size=40).prepare(image, mask)
        assert image.shape == (40, 40, 3)
        assert mask.shape == (40, 40)
        assert (image.dtype, mask.dtype) == (np.uint8, np.uint8)


def test_images_at_the_size_are_only_cropped():
    image, mask = scene((320, 480), seed=0)
    prepared, prepared_mask = PROTOCOLS["reco"].prepare(image, mask)
    np.testing.assert_array_equal(prepared, image[:, 80:400])
    np.testing.assert_array_equal(prepared_mask, mask[:, 80:400])


def test_full_size_leaves_images_as_they_are():
    image, mask = scene((64, 48), seed=0)
    prepared = PROTOCOLS["sliding_window"].prepare(image, mask)
    np.testing.assert_array_equal(prepared[0], image)
    np.testing.assert_array_equal(prepared[1], mask)


@pytest.mark.parametrize("size", [(31, 47), (64, 64), (100, 75), (7, 200)])
def test_images_are_resized_as_pillow_does(size):
    image = np.random.default_rng(0).integers(0, 256, (64, 50, 3)).astype(np.uint8)
    resized = resized_to(image, *size)
    expected = PIL.fromarray(image).resize(size[::-1], resample=2)  # bilinear
    # Pillow rounds after each axis.
    difference = np.abs(resized.astype(int) - np.asarray(expected).astype(int))
    assert difference.max() <= 1
    assert resized.dtype == np.uint8


@given(*[st.integers(1, 40)] * 4)
def test_masks_take_the_value_at_the_centre(height, width, new_height, new_width):
    mask = np.arange(height * width).reshape(height, width)
    resized = resize_mask(mask, new_height, new_width)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(mask)[None, None].double(),
        (new_height, new_width),
        mode="nearest-exact",
    )
    # Where a centre falls between two pixels torch's choice is one of rounding.
    rows = (2 * np.arange(new_height) + 1) * height % (2 * new_height) == 0
    columns = (2 * np.arange(new_width) + 1) * width % (2 * new_width) == 0
    sure = ~(rows[:, None] | columns)
    np.testing.assert_array_equal(resized[sure], expected[0, 0].numpy()[sure])
    assert resized.dtype == mask.dtype
    assert np.isin(resized, mask).all()


def test_masks_and_images_stay_aligned():
    # Halved, a pixel at a corner of a block is still three quarters of its colour.
    image, mask = scene((640, 960), seed=3)
    prepared, prepared_mask = PROTOCOLS["reco"].prepare(image, mask)
    np.testing.assert_array_equal(prepared.argmax(axis=-1), prepared_mask)
    np.testing.assert_array_equal(prepared_mask, mask[::2, 160:-160:2])


@pytest.mark.parametrize(
    ("length", "start"), [(10, 3), (9, 2), (11, 4), (7, 2), (4, 0), (5, 0)]
)
def test_crops_are_at_the_centre(length, start):
    line = np.arange(length)[:, None] * np.ones((1, 4))
    assert center_crop(line, 4)[0, 0] == start
    assert center_crop(line, 4).shape == (4, 4)


@pytest.mark.parametrize("how", ["majority", "hungarian"])
@pytest.mark.parametrize(
    ("protocol", "n_pixels"),
    [
        (PROTOCOLS["sliding_window"], 56 * 80 + 88 * 64 + 56 * 64),
        # The middle of the second image is below its ignored rows.
        (Protocol("crop", size=64), 56 * 64 + 64 * 64 + 56 * 64),
    ],
)
def test_the_right_segmenter_is_perfect(dataset, how, protocol, n_pixels):
    found = evaluate(by_color, dataset, n_clusters=5, protocol=protocol, how=how)
    assert found.scores.pixel_accuracy == found.scores.mean_iou == 1.0
    assert found.confusion.sum() == n_pixels
    assert found.confusion.shape == (3, 5)
    np.testing.assert_array_equal(found.matching.classes, [2, 1, -1, 0, -1])
    assert found.map_confusion is found.confusion
    assert found.scores.class_names == ("a", "b", "c")
    assert found.n_images == 3


def test_reco_shows_squares_of_320(dataset):
    seen = []

    def predict(image):
        seen.append((image.shape, image.dtype))
        return np.zeros(image.shape[:2], dtype=np.uint8)

    found = evaluate(predict, dataset, n_clusters=1, protocol="reco")
    assert seen == [((320, 320, 3), np.dtype(np.uint8))] * 3
    assert found.protocol == PROTOCOLS["reco"]
    assert found.confusion.shape == (3, 1)


def test_held_out_maps_come_from_the_other_set(dataset):
    first, rest = dataset.subset([0]), dataset.subset([1, 2])
    found = evaluate(
        by_color, rest, n_clusters=4, protocol="sliding_window", map_dataset=first
    )
    again = evaluate(by_color, first, n_clusters=4, protocol="sliding_window")
    np.testing.assert_array_equal(found.map_confusion, again.confusion)
    np.testing.assert_array_equal(found.matching.classes, again.matching.classes)
    assert found.confusion.sum() == 88 * 64 + 56 * 64
    assert found.scores.pixel_accuracy == 1.0


def test_held_out_maps_do_not_look_at_the_scored_masks(dataset):
    first, rest = dataset.subset([0]), dataset.subset([1, 2])
    # Where the map is found, everything is called "b".
    PIL.fromarray(np.ones((64, 80), np.uint8)).save(first.masks[0])
    found = evaluate(
        by_color, rest, n_clusters=4, protocol="sliding_window", map_dataset=first
    )
    np.testing.assert_array_equal(found.matching.classes, [1, 1, -1, 1])
    share = found.confusion[1].sum() / found.confusion.sum()
    assert found.scores.pixel_accuracy == share < 1


def test_windows_of_the_set_are_filled_in(dataset):
    named = SegmentationDataset(
        dataset.images, dataset.masks, dataset.class_names, name="ade20k"
    )
    found = evaluate(by_color, named, n_clusters=4, protocol="sliding_window")
    assert (found.protocol.window_size, found.protocol.stride) == (512, 512)


def test_errors_name_the_file(dataset):
    def settled(predict, **changes):
        options = {"n_clusters": 4, "protocol": "sliding_window", **changes}
        return evaluate(predict, dataset, **options)

    def one_wrong(image):
        return by_color(image) + (4 if image.shape[0] == 96 else 0)

    with pytest.raises(ValueError, match=r"image 1 \(.*1\.png\): the labels .*n_clus"):
        settled(one_wrong)
    with pytest.raises(ValueError, match=r"image 0 \(.*0\.png\): the mask has shape"):
        settled(lambda image: by_color(image)[::2])
    PIL.fromarray(np.full((96, 64), 7, np.uint8)).save(dataset.masks[1])
    with pytest.raises(ValueError, match=r"image 1 \(.*1\.png\): the mask .* value 7"):
        settled(by_color)
    PIL.fromarray(np.zeros((64, 96), np.uint8)).save(dataset.masks[1])
    with pytest.raises(ValueError, match=r"image 1 \(.*1\.png\): the image .*\(64, 96"):
        settled(by_color)


def test_sets_and_protocols_that_do_not_fit_are_refused(dataset):
    with pytest.raises(ValueError, match="protocol='coco' must be one of reco, slid"):
        evaluate(by_color, dataset, n_clusters=4, protocol="coco")
    with pytest.raises(ValueError, match=r"'own' \('val'\) has no image"):
        evaluate(by_color, dataset.subset([]), n_clusters=4, protocol="reco")
    other = SegmentationDataset(dataset.images, dataset.masks, ("x", "y", "z"))
    with pytest.raises(ValueError, match=r"3 classes \(x, y, z.*3 \(a, b, c"):
        evaluate(by_color, dataset, n_clusters=4, protocol="reco", map_dataset=other)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"image has shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"image has shape \(4, 4, 4\)"),
        (np.zeros((4, 4, 3)), "type float64"),
        (np.zeros((4, 5, 3), np.uint8), r"mask has shape \(4, 4\)"),
    ],
)
def test_only_images_are_prepared(image, message):
    with pytest.raises(ValueError, match=message):
        PROTOCOLS["reco"].prepare(image, np.zeros((4, 4), dtype=np.int64))
    with pytest.raises(ValueError, match="must have pixels"):
        PROTOCOLS["reco"].prepare(np.zeros((0, 4, 3), np.uint8), np.zeros((0, 4), int))
