import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraleig.segmentation.inference import (
    Lattice,
    _refine,
    labels_from_scores,
    refined_labels,
)

PATCH = 8
COLORS = np.array([[60, 60, 60], [200, 80, 60], [70, 160, 80], [90, 90, 210]])


def a_scene(height, width, n_classes=4, seed=0, n_disks=6):
    """Textured disks with sharp edges, and which class each pixel is."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    truth = np.zeros((height, width), dtype=np.int64)
    for _ in range(n_disks):
        y, x = generator.random(2) * (height, width)
        radius = generator.uniform(0.15, 0.3) * min(height, width)
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        truth[inside] = generator.integers(n_classes)
    texture = 25 * ((rows // 2 + columns // 3) % 2)[..., None]
    noise = generator.normal(0, 6, (height, width, 3))
    image = COLORS[truth] + texture * (truth % 2)[..., None] + noise
    return np.clip(image, 0, 255).astype(np.uint8), truth


def token_scores(truth, lattice, n_classes, sharpness=8.0):
    """Shares of classes within patches and their neighbours."""
    maps = F.one_hot(torch.from_numpy(truth), n_classes).permute(2, 0, 1).float()
    bottom, right = lattice.padded_shape
    padding = (0, right - lattice.width, 0, bottom - lattice.height)
    shares = F.avg_pool2d(
        F.pad(maps[None], padding, mode="replicate"), lattice.patch_size
    )
    blurred = F.avg_pool2d(F.pad(shares, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return sharpness * blurred[0].permute(1, 2, 0)


def by_definition(scores, image, lattice, radius, eps):
    """Guided filter on the cells of the whole image, window by window."""
    height, width = image.shape[:2]
    cell = max(1, round(lattice.patch_size / _refine.CELLS_PER_PATCH))
    assert height % cell == width % cell == 0
    reach = round(radius * lattice.patch_size / cell)
    colors = torch.from_numpy(image / 255.0)
    guide = colors.unflatten(0, (-1, cell)).unflatten(2, (-1, cell)).mean(dim=(1, 3))
    probabilities = scores.double().softmax(dim=2).permute(2, 0, 1)[None]
    size = lattice.padded_shape
    p = F.interpolate(
        probabilities, size=(size[0] // cell, size[1] // cell), mode="bilinear"
    )[0, :, : height // cell, : width // cell].permute(1, 2, 0)
    functions = torch.zeros(*p.shape[:2], 4, p.shape[2], dtype=torch.float64)
    means = torch.zeros_like(functions)
    near = [
        (
            slice(max(0, i - reach), i + reach + 1),
            slice(max(0, j - reach), j + reach + 1),
        )
        for i in range(p.shape[0])
        for j in range(p.shape[1])
    ]
    for n, window in enumerate(near):
        color, own = guide[window].reshape(-1, 3), p[window].reshape(-1, p.shape[2])
        centered = color - color.mean(dim=0)
        ridge = eps * torch.eye(3, dtype=torch.float64)
        S = centered.T @ centered / len(color) + ridge
        a = torch.linalg.solve(S, centered.T @ own / len(color))
        b = own.mean(dim=0) - color.mean(dim=0) @ a
        functions.flatten(0, 1)[n] = torch.cat([a, b[None]])
    for n, window in enumerate(near):
        means.flatten(0, 1)[n] = functions[window].flatten(0, 1).mean(dim=0)
    maps = means.flatten(2).permute(2, 0, 1)[None]
    full = F.interpolate(maps, size=(height, width), mode="bilinear")[0]
    full = full.permute(1, 2, 0).unflatten(2, (4, -1))
    return (full[:, :, :3] * colors[..., None]).sum(dim=2) + full[:, :, 3]


@pytest.mark.parametrize("radius", [0.5, 1.0])
@pytest.mark.parametrize("tile", [16, 10_000])
def test_filter_is_the_published_one_in_tiles_of_any_size(radius, tile, monkeypatch):
    monkeypatch.setattr(_refine, "TILE_PIXELS", tile)
    monkeypatch.setattr(_refine, "SMALLEST_TILE", 4)
    monkeypatch.setattr(_refine, "LEAST_PROBABILITY", 0.0)
    monkeypatch.setattr(_refine, "CLUSTERS_AT_A_TIME", 3)
    image, truth = a_scene(60, 76)
    lattice = Lattice.of(60, 76, PATCH)
    scores = token_scores(truth, lattice, 4)
    expected = by_definition(scores, image, lattice, radius, 1e-3)
    labels = refined_labels(scores, image, lattice, radius=radius, eps=1e-3)
    own = expected.gather(2, torch.from_numpy(labels.astype(np.int64))[..., None])
    assert (expected.amax(dim=2) - own[..., 0]).max() < 1e-4
    assert (labels == expected.argmax(dim=2).numpy()).mean() > 0.999


def test_grey_images_are_no_worse_conditioned(monkeypatch):
    monkeypatch.setattr(_refine, "LEAST_PROBABILITY", 0.0)
    image, truth = a_scene(64, 64, seed=1)
    image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    lattice = Lattice.of(64, 64, PATCH)
    scores = token_scores(truth, lattice, 4)
    expected = by_definition(scores, image, lattice, 1.0, 1e-5)
    labels = refined_labels(scores, image, lattice, eps=1e-5)
    own = expected.gather(2, torch.from_numpy(labels.astype(np.int64))[..., None])
    assert (expected.amax(dim=2) - own[..., 0]).max() < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_boundaries_move_to_the_edges_of_the_image(seed):
    image, truth = a_scene(160, 200, seed=seed)
    lattice = Lattice.of(160, 200, PATCH)
    scores = token_scores(truth, lattice, 4)
    wrong_before = (labels_from_scores(scores, lattice) != truth).mean()
    wrong_after = (refined_labels(scores, image, lattice) != truth).mean()
    assert wrong_after < 0.7 * wrong_before


def test_noise_of_single_tokens_is_averaged_out():
    image, truth = a_scene(160, 200)
    lattice = Lattice.of(160, 200, PATCH)
    scores = token_scores(truth, lattice, 4)
    generator = torch.Generator().manual_seed(0)
    scores += 2.5 * torch.randn(scores.shape, generator=generator)
    wrong_before = (labels_from_scores(scores, lattice) != truth).mean()
    wrong_after = (refined_labels(scores, image, lattice) != truth).mean()
    assert wrong_after < 0.7 * wrong_before


def test_a_flat_image_keeps_its_labels():
    _, truth = a_scene(160, 200)
    lattice = Lattice.of(160, 200, PATCH)
    scores = token_scores(truth, lattice, 4)
    flat = np.full((160, 200, 3), 90, dtype=np.uint8)
    labels = refined_labels(scores, flat, lattice)
    # Smoothing rounds corners and nothing else.
    assert (labels == labels_from_scores(scores, lattice)).mean() > 0.97


def test_a_straight_boundary_in_a_flat_image_stays_where_it_is():
    lattice = Lattice.of(64, 96, PATCH)
    scores = torch.zeros(*lattice.shape, 2)
    scores[:, :6, 0] = scores[:, 6:, 1] = 5
    flat = np.zeros((64, 96, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        refined_labels(scores, flat, lattice), labels_from_scores(scores, lattice)
    )


@given(
    st.integers(1, 70), st.integers(1, 70), st.integers(1, 16), st.integers(1, 70),
    st.integers(1, 70), st.floats(0.1, 3),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_any_size_is_labelled_by_clusters_that_are_near(h, w, patch, H, W, radius):
    lattice = Lattice.of(h, w, patch)
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(*lattice.shape, 5, generator=generator)
    scores[..., 3] -= 20
    image = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    labels = refined_labels(scores, image, lattice, radius=radius)
    assert labels.shape == (H, W)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 1, 2, 4}


def test_one_cluster_is_everywhere():
    image, _ = a_scene(30, 40)
    labels = refined_labels(torch.zeros(4, 5, 1), image, Lattice.of(30, 40, PATCH))
    assert (labels == 0).all()


def test_labels_have_the_smallest_type():
    image, _ = a_scene(16, 16)
    scores = torch.zeros(2, 2, 300)
    scores[..., 299] = 9
    labels = refined_labels(scores, image, Lattice.of(16, 16, PATCH))
    assert labels.dtype == np.uint16
    assert (labels == 299).all()


def test_an_image_that_was_seen_smaller_is_refined_at_its_own_size():
    image, truth = a_scene(160, 200)
    lattice = Lattice.of(80, 100, PATCH)
    scores = token_scores(np.ascontiguousarray(truth[::2, ::2]), lattice, 4)
    wrong_before = (labels_from_scores(scores, lattice, (160, 200)) != truth).mean()
    labels = refined_labels(scores, image, lattice)
    assert labels.shape == (160, 200)
    assert (labels != truth).mean() < wrong_before
