"""Segmentation of synthetic scenes whose every pixel has a known class.

    python examples/benchmarks/scenes.py [--seeds 5] [--pixel-weight 0.1]
        [--neighbors-anywhere] [--max-iter 0] [--overlays FOLDER]

A scene has a few regions, each of one of five textures: stripes that lie, stripes that
stand, checkers, blobs, and a smooth gradient. Stripes of both kinds have the same
colours, and so do checkers and blobs; only the gradient may be told by colour, and it
overlaps with both. Periods, phases, contrasts and colours differ between regions, and
the light between scenes. `DenseSegmenter` is fitted to some scenes with the features by
hand and nothing else changed; a one-to-one map from clusters to classes is read off the
same scenes; the mean IoU is that of new scenes.

Rows: the segmenter; the same refined along edges; k-means on the features of its
graph; and the true classes of patches in place of clusters, which is what can be had
at the resolution of the tokens.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from sklearn.cluster import KMeans

from neuraleig import DenseSegmenter
from neuraleig.networks import TokenAttention
from neuraleig.segmentation import (
    ColorTexture,
    label_colors,
    match_clusters,
    overlay,
)
from neuraleig.segmentation.evaluation import ConfusionMatrix
from neuraleig.segmentation.inference import Lattice, labels_from_scores

Image = NDArray[np.uint8]
Labeller = Callable[[Image], NDArray[np.integer]]

CLASSES = ("lying stripes", "standing stripes", "checkers", "blobs", "gradient")
SIZE = (192, 256)
N_FIT, N_NEW = 24, 12
# Red, green and blue, in [0, 1]: two classes of one colour, twice.
COLORS = np.array(
    [
        [0.55, 0.45, 0.32],
        [0.55, 0.45, 0.32],
        [0.40, 0.48, 0.55],
        [0.40, 0.48, 0.55],
        [0.48, 0.47, 0.43],
    ]
)
COLOR_SPREAD = 0.04
# Pixels of one light and one dark part of a texture.
PERIODS = (7.0, 11.0)
CONTRASTS = (0.12, 0.22)
REGIONS = (4, 8)
NOISE = 0.015


def texture(
    kind: int, size: tuple[int, int], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Pattern of a class: about 0 in the mean, within [-1, 1]."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(float)
    period = generator.uniform(*PERIODS)
    angle = np.deg2rad(generator.uniform(-12, 12))
    along = rows * np.cos(angle) + columns * np.sin(angle)
    across = columns * np.cos(angle) - rows * np.sin(angle)
    phases = generator.uniform(0, 2 * np.pi, 2)
    waves = [
        np.sin(2 * np.pi * distance / period + phase)
        for distance, phase in zip((along, across), phases, strict=True)
    ]
    if kind in (0, 1):
        return np.tanh(3 * waves[kind])
    if kind == 2:
        return np.tanh(6 * waves[0] * waves[1])
    if kind == 3:
        field = gaussian_filter(generator.standard_normal(size), period / 5)
        return np.tanh(2 * field / field.std())
    slope = generator.uniform(0, 2 * np.pi)
    ramp = rows * np.sin(slope) / size[0] + columns * np.cos(slope) / size[1]
    return (ramp - ramp.mean()) / np.abs(ramp - ramp.mean()).max()


def regions(
    size: tuple[int, int], n_regions: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Number of the nearest of some points, by coordinates that are bent a little."""
    grid = np.mgrid[: size[0], : size[1]].astype(float)
    coarse = generator.standard_normal((2, 5, 6)) * 0.04 * size[0]
    factors = (1, size[0] / 5, size[1] / 6)
    bend = zoom(coarse, factors, order=3, mode="grid-constant", grid_mode=True)
    points = generator.uniform(0, 1, (n_regions, 2)) * size
    offsets = (grid + bend)[:, None] - points.T[:, :, None, None]
    return (offsets**2).sum(axis=0).argmin(axis=0)


def scene(
    generator: np.random.Generator, size: tuple[int, int] = SIZE
) -> tuple[Image, Image]:
    """Draw an image, uint8 of shape (*size, 3), and the classes of its pixels."""
    n_regions = int(generator.integers(*REGIONS))
    region = regions(size, n_regions, generator)
    # Several classes in every scene: each once before any comes again.
    order = [generator.permutation(len(CLASSES)) for _ in range(2)]
    kinds = np.concatenate(order)[:n_regions]
    image = np.empty((*size, 3))
    for number, kind in enumerate(kinds):
        contrast = generator.uniform(*CONTRASTS)
        color = COLORS[kind] + COLOR_SPREAD * generator.standard_normal(3)
        pattern = contrast * texture(int(kind), size, generator)
        own = region == number
        image[own] = (color + pattern[..., None])[own]
    image *= light(size, generator)[..., None] * generator.uniform(0.93, 1.07, 3)
    image += NOISE * generator.standard_normal(image.shape)
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8), kinds[region].astype(
        np.uint8
    )


def light(size: tuple[int, int], generator: np.random.Generator) -> NDArray[np.float64]:
    """Brightness of a scene, which changes a little from side to side."""
    rows, columns = (np.linspace(-1, 1, n) for n in size)
    slopes = generator.uniform(-0.12, 0.12, 2)
    shade: NDArray[np.float64] = slopes[0] * rows[:, None] + slopes[1] * columns
    return float(generator.uniform(0.75, 1.15)) * (1 + shade)


def scenes(
    n_scenes: int, seed: int, size: tuple[int, int] = SIZE
) -> tuple[list[Image], list[Image]]:
    """Draw images and their masks."""
    generator = np.random.default_rng(seed)
    drawn = [scene(generator, size) for _ in range(n_scenes)]
    return [image for image, _ in drawn], [mask for _, mask in drawn]


def counts(
    label: Labeller, images: Sequence[Image], masks: Sequence[Image], n_clusters: int
) -> NDArray[np.int64]:
    """Pixels by class and cluster."""
    matrix = ConfusionMatrix(len(CLASSES), n_clusters)
    for image, mask in zip(images, masks, strict=True):
        matrix.update(mask, label(image))
    return matrix.counts


def new_scores(
    label: Labeller,
    fit: tuple[list[Image], list[Image]],
    new: tuple[list[Image], list[Image]],
    n_clusters: int = len(CLASSES),
) -> tuple[float, NDArray[np.float64]]:
    """Mean IoU of new scenes, and that of every class, by the map of the old ones."""
    matching = match_clusters(counts(label, *fit, n_clusters), "hungarian")
    scores = matching.scores(counts(label, *new, n_clusters), CLASSES)
    return scores.mean_iou, scores.class_iou


def kmeans_labels(images: Sequence[Image], seed: int) -> Labeller:
    """Labels by k-means on the features of the graph, at the size of the image."""
    backbone = ColorTexture()

    def features(image: Image) -> tuple[torch.Tensor, Lattice]:
        lattice = Lattice.of(*image.shape[:2], backbone.patch_size)
        with torch.inference_mode():
            high = backbone(lattice.pad(image)[None])[-1]
        return high[0].permute(1, 2, 0), lattice

    rows = np.concatenate([features(image)[0].flatten(0, 1) for image in images])
    kmeans = KMeans(len(CLASSES), n_init=10, random_state=seed).fit(rows)
    centres = torch.from_numpy(kmeans.cluster_centers_).float()

    def label(image: Image) -> NDArray[np.integer]:
        own, lattice = features(image)
        scores = 2 * own @ centres.T - centres.square().sum(dim=1)
        return labels_from_scores(scores, lattice, image.shape[:2])

    return label


def patch_classes(images: Sequence[Image], masks: Sequence[Image]) -> Labeller:
    """Shares of the true classes in every patch, in place of scores."""
    by_bytes = {
        image.tobytes(): mask for image, mask in zip(images, masks, strict=True)
    }

    def label(image: Image) -> NDArray[np.integer]:
        mask = torch.from_numpy(by_bytes[image.tobytes()]).long()
        lattice = Lattice.of(*image.shape[:2], ColorTexture().patch_size)
        one_hot = torch.nn.functional.one_hot(mask, len(CLASSES)).float()
        shares = torch.nn.functional.avg_pool2d(
            one_hot.permute(2, 0, 1), lattice.patch_size, ceil_mode=True
        )
        return labels_from_scores(shares.permute(1, 2, 0), lattice, image.shape[:2])

    return label


def write_overlays(
    folder: Path, model: DenseSegmenter, images: Sequence[Image], masks: Sequence[Image]
) -> None:
    """Write every image, its classes and its clusters side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    colors = label_colors(len(CLASSES))
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        found = overlay(image, model.predict(image), colors)
        row = np.concatenate([image, colors[mask], found], axis=1)
        PIL.Image.fromarray(row).save(folder / f"scene_{number:02d}.png")


def report(seed: int, changes: dict[str, object], folder: Path | None) -> None:
    """Fit to the scenes of a seed, and print the rows."""
    fit, new = scenes(N_FIT, seed), scenes(N_NEW, 1000 + seed)
    start = time.perf_counter()
    model = DenseSegmenter(len(CLASSES), backbone="color_texture", random_state=seed)
    model.set_params(**changes).fit(fit[0])
    seconds = time.perf_counter() - start
    labellers = {
        "segmenter": model.predict,
        "refined": refined_copy(model).predict,
        "k-means": kmeans_labels(fit[0], seed),
        "patches": patch_classes(fit[0] + new[0], fit[1] + new[1]),
    }
    for name, label in labellers.items():
        mean_iou, iou = new_scores(label, fit, new)
        print(f"seed {seed} {name:10} {mean_iou:.3f}", np.round(iou, 3), flush=True)
    print(
        f"seed {seed} {seconds:.0f} s, {model.n_iter_} steps, {model.n_clusters_} "
        f"clusters, modularity {model.modularity_:.3f}",
        flush=True,
    )
    if folder is not None:
        write_overlays(folder / f"seed_{seed}", model, *new)


def refined_copy(model: DenseSegmenter) -> DenseSegmenter:
    """Copy of a fitted segmenter whose labels follow edges."""
    return copy.deepcopy(model).set_params(refine="guided")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--max-iter", type=int, help="other than the default")
    parser.add_argument("--tokens-per-window", type=int, help="other than the default")
    parser.add_argument(
        "--attention", action="store_true", help="let the network see whole windows"
    )
    parser.add_argument("--pixel-weight", type=float, help="other than the default")
    parser.add_argument(
        "--neighbors-anywhere", action="store_true", help="in the own picture, too"
    )
    parser.add_argument("--overlays", type=Path, help="folder for pictures")
    arguments = parser.parse_args()
    given = {
        "clusterer__training__max_iter": arguments.max_iter,
        "tokens_per_window": arguments.tokens_per_window,
        "pixel_weight": arguments.pixel_weight,
        "clusterer__affinity__across_groups": (
            False if arguments.neighbors_anywhere else None
        ),
        "clusterer__network": TokenAttention() if arguments.attention else None,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    first = arguments.first_seed
    for seed in range(first, first + arguments.seeds):
        report(seed, changes, arguments.overlays)


if __name__ == "__main__":
    main()
