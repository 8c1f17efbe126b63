import weakref

import numpy as np
import pytest

pytest.importorskip("PIL.Image")

from neuraleig.segmentation.images import read_image
from neuraleig.segmentation.images._drawing import draw_text
from neuraleig.segmentation.outputs import label_colors
from neuraleig.segmentation.outputs._crops import BestCrops
from neuraleig.segmentation.outputs._sheets import _size_text, cluster_sheet

SIZE = 16


def scene(height=40, width=60, seed=0, n_clusters=4):
    """Image and labels in blocks of ten pixels."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, n_clusters, (height // 10, width // 10))
    labels = np.kron(blocks, np.ones((10, 10), int))
    rgb = generator.integers(0, 256, (height, width, 3), np.uint8)
    return rgb, labels


def crops_of(items, n_clusters, n_crops, size=SIZE):
    crops = BestCrops(n_clusters, n_crops, size)
    for rgb, labels in items:
        crops.add(rgb, labels, np.bincount(labels.ravel(), minlength=n_clusters))
    return crops


def square(area_side, height=40, width=40, at=(0, 0)):
    """Scene whose cluster 1 is one square."""
    labels = np.zeros((height, width), int)
    labels[at[0] : at[0] + area_side, at[1] : at[1] + area_side] = 1
    return np.zeros((height, width, 3), np.uint8), labels


def test_shares_are_of_all_pixels():
    items = [scene(seed=0), scene(30, 20, seed=1)]
    sheet = cluster_sheet(items, 5)
    labels = np.concatenate([item[1].ravel() for item in items])
    expected = np.bincount(labels, minlength=5) / labels.size
    np.testing.assert_allclose(sheet.shares, expected)
    assert sheet.shares[4] == 0


def test_images_of_a_cluster_are_counted():
    images = [square(0), square(5), square(9), square(40)]
    sheet = cluster_sheet(images, 3)
    assert sheet.n_images.tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("share", "n_images", "expected"),
    [
        (0.1234, 2, "12.34 %, 2 images"),
        (1e-5, 1, "< 0.01 %, 1 image"),
        (0.0, 0, "no pixels"),
    ],
)
def test_sizes_are_shares_and_images(share, n_images, expected):
    assert _size_text(share, n_images) == expected


def test_a_row_begins_with_its_colour():
    colors = label_colors(5)[::-1].copy()
    sheet = cluster_sheet([scene()], 5, crop_size=64, colors=colors)
    assert sheet.image.dtype == np.uint8
    # Rows of a crop and a margin, below a margin.
    for label in range(5):
        middle = 6 + label * 70 + 32
        np.testing.assert_array_equal(sheet.image[middle, 10], colors[label])


def test_the_page_is_as_wide_as_its_crops():
    narrow, wide = (cluster_sheet([scene()], 4, n_crops=n).image for n in (1, 3))
    assert narrow.shape[0] == wide.shape[0]
    assert wide.shape[1] - narrow.shape[1] == 2 * (96 + 6)
    assert cluster_sheet([scene()], 4, n_crops=0).image.shape[1] < narrow.shape[1]


def test_the_same_items_make_the_same_sheet():
    first, second = (
        cluster_sheet([scene(seed=s) for s in range(3)], 4, n_crops=3).image
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_crops_are_the_largest_of_different_images():
    items = [square(side) for side in (5, 20, 9, 3, 12)]
    found = crops_of(items, 2, 3).best(1)
    assert [-crop.order for crop in found] == [1, 4, 2]
    assert [round(crop.share * 1600) for crop in found] == [400, 144, 81]


def test_one_image_gives_several_crops_until_others_come():
    rgb, labels = square(20)
    labels[30:33, 30:33] = 1
    labels[25:27, 0:2] = 1
    alone = crops_of([(rgb, labels)], 2, 3).best(1)
    assert [round(crop.share * 1600) for crop in alone] == [400, 9, 4]
    others = crops_of([(rgb, labels), square(2), square(2)], 2, 3).best(1)
    assert [-crop.order for crop in others] == [0, 1, 2]


def test_sizes_count_as_shares_of_their_image():
    small, large = square(20, 40, 40), square(30, 400, 400)
    found = crops_of([large, small], 2, 2).best(1)
    assert [-crop.order for crop in found] == [1, 0]


def test_the_middle_of_a_crop_is_inside_the_region():
    # A ring: the middle of its box is not part of it.
    rgb, labels = square(30, at=(5, 5))
    labels[10:30, 10:30] = 0
    (crop,) = crops_of([(rgb, labels)], 2, 1).best(1)
    assert crop.inside.any()
    assert not crop.inside.all()
    (crop,) = crops_of([square(3, 200, 200, at=(100, 150))], 2, 1).best(1)
    assert crop.inside[SIZE // 2, SIZE // 2]
    assert crop.inside.sum() == 9


def test_regions_of_large_images_are_found():
    rgb, labels = square(300, 900, 1200, at=(450, 600))
    labels[7, :] = 2  # a line that every other row would miss
    crops = crops_of([(rgb, labels)], 3, 1, size=60)
    (crop,) = crops.best(1)
    assert crop.share == pytest.approx(300**2 / (900 * 1200), rel=0.02)
    assert 0.4 < crop.inside.mean() < 0.5  # 1 / CONTEXT ** 2
    (line,) = crops.best(2)
    assert line.inside.any(axis=0).all()
    labels = np.zeros((600, 600), int)
    labels[301, 301] = labels[-1, -1] = labels[0, 1] = 1
    (point,) = crops_of([(np.zeros((600, 600, 3), np.uint8), labels)], 2, 1).best(1)
    assert point.inside.any()


def test_crops_are_what_the_image_shows():
    rgb, labels = scene(60, 60, n_clusters=9)
    for label in np.unique(labels):
        for crop in crops_of([(rgb, labels)], 9, 2, size=12).best(label):
            windows = np.lib.stride_tricks.sliding_window_view(rgb, (12, 12, 3))
            same = (windows[:, :, 0] == crop.rgb).all(axis=(2, 3, 4))
            if crop.share > 64 / 3600:
                continue  # of a wider window
            row, column = np.argwhere(same)[0]
            expected = labels[row : row + 12, column : column + 12] == label
            np.testing.assert_array_equal(crop.inside, expected)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (8, 8)])
def test_tiny_and_narrow_images_have_crops(shape):
    rgb, labels = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
    assert cluster_sheet([(rgb, labels)], 1).shares.tolist() == [1]


def test_items_are_looked_at_one_by_one():
    alive = []

    def items():
        for seed in range(6):
            rgb, labels = scene(seed=seed)
            alive.append(weakref.ref(rgb))
            yield rgb, labels
            del rgb, labels
            # The one in hand at most.
            assert sum(ref() is not None for ref in alive) <= 1

    cluster_sheet(items(), 4, n_crops=2)
    assert len(alive) == 6


@pytest.mark.parametrize(
    "name",
    ["road", "дорога", "道路", "طريق", "🛣️", "a\nb\tc", "\ud800", "\0", "", "w" * 500],
)
def test_any_name_can_be_drawn(name):
    plain = cluster_sheet([scene()], 4).image
    named = cluster_sheet([scene()], 4, names={1: name}).image
    assert named.shape == plain.shape
    rows = np.flatnonzero((named != plain).any(axis=(1, 2)))
    assert not len(rows) or (rows.min() > 102 and rows.max() < 204)
    assert bool(len(rows)) == bool(name)


def test_a_long_text_is_cut():
    def columns(max_width):
        page = np.full((30, 400, 3), 255, np.uint8)
        draw_text(page, "a long text " * 5, 10, 15, max_width=max_width)
        return np.flatnonzero((page != 255).any(axis=(0, 2)))

    assert columns(None).max() > 200
    assert columns(100).max() <= 110
    assert columns(100).min() >= 9


def test_text_is_around_its_middle():
    page = np.full((60, 60, 3), 255, np.uint8)
    draw_text(page, "8", 10, 30, size=20)
    rows = np.flatnonzero((page != 255).any(axis=(1, 2)))
    assert abs((rows.min() + rows.max()) / 2 - 30) <= 2


def test_a_sheet_is_saved(tmp_path):
    sheet = cluster_sheet([scene()], 4)
    sheet.save(tmp_path / "sheet.png")
    np.testing.assert_array_equal(read_image(tmp_path / "sheet.png"), sheet.image)


@pytest.mark.parametrize(
    ("items", "options", "message"),
    [
        ([], {}, "items is empty"),
        ([(scene()[0], scene()[1][1:])], {}, "labels have shape"),
        ([scene(n_clusters=9)], {}, "must be 0 to 3"),
        ([scene()], {"names": {4: "x"}}, "clusters are 0 to 3"),
        ([scene()], {"n_crops": -1}, "n_crops=-1"),
        ([scene()], {"crop_size": 2}, "crop_size=2"),
        ([scene()], {"colors": np.zeros((3, 3), np.uint8)}, "colors of shape"),
    ],
)
def test_what_makes_no_sheet_is_refused(items, options, message):
    with pytest.raises(ValueError, match=message):
        cluster_sheet(items, 4, **options)


def test_there_is_at_least_one_cluster():
    with pytest.raises(ValueError, match="n_clusters=0"):
        cluster_sheet([scene()], 0)
