"""Segmentation of CamVid at 360 x 480, on the same frozen features for all methods.

    python examples/benchmarks/camvid.py --data FOLDER [--backbone NAME] [--resume]

Methods are fitted to the training frames, without labels. The class of each cluster is
found by the labels of every fourth training frame (the class of highest IoU), and
scored on the validation frames. ``--backbone`` takes any name that DenseSegmenter
takes, such as vit_small_patch14_reg4_dinov2 where its weights can be had; the default
needs none.

The validation frames are seven seconds of one street. ``clips`` are such seconds of the
training frames: every seven frames in a row of the sequence that validation is taken
from are scored by the map of all other training frames, and the table has the mean.

``--sequences`` keeps to the training frames: fitted to the sequences 0001TP and 0006R0,
scored on every third frame of the sequence 0016E5.

Methods: k-means on the features (raw, and every channel scaled); exact spectral
clustering of every image, whose segments are clustered by k-means of their mean
features; DenseSegmenter as it is, with k-means on its hidden features, without the
pixel graph, with attention, fine-tuned, and from a random start. ``+ refined`` lets
the labels follow the edges of the image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import report
import torch
from camvid_tables import Found, tables
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from neuraleig import DenseSegmenter
from neuraleig.affinity import Graph, TokenAffinity, pixel_grid_edges
from neuraleig.affinity._token_affinity import matrix_of
from neuraleig.networks import TokenAttention
from neuraleig.reading import diffused_rows
from neuraleig.segmentation import (
    Backbone,
    SegmentationDataset,
    TimmBackbone,
    load_dataset,
    match_clusters,
    read_image,
)
from neuraleig.segmentation.backbones import extract, make_backbone
from neuraleig.segmentation.evaluation import ConfusionMatrix
from neuraleig.segmentation.inference import (
    Lattice,
    labels_from_scores,
    refined_labels,
)
from neuraleig.spectrum import graph_spectrum
from neuraleig.training import Training

CLUSTERS = (27, 64, 128)
# Tokens that k-means is fitted to: as many as DenseSegmenter looks at.
N_TOKENS = 30_000
# Segments of an image, and eigenvectors that they are read from.
N_SEGMENTS, N_EIGENVECTORS = 12, 24
# Every so many training frames have labels, for the map from clusters to classes.
LABELLED = 4
# Sequence of the training frames that --sequences scores, and how many of its frames.
# The validation frames are of it, and last as long as this many of its frames.
NEW_SEQUENCE, EVERY, CLIP_FRAMES = "0016E5", 3, 7
# Radius of the refinement in patches.
REFINE_RADIUS = 2.0
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, k-means on hidden": {"clusterer__assign_labels": "kmeans_hidden"},
    "ours, no pixel graph": {"pixel_weight": 0.0},
    "ours, attention": {"clusterer__network": TokenAttention()},
    "ours, fine-tuned": {"clusterer__training__max_iter": 50},
    "ours, random start": {
        "clusterer__training": Training(init="random", max_iter=300)
    },
}
METHODS = ("k-means", "k-means, scaled", "spectral per image", *OURS)
CPU = torch.device("cpu")

Scores = Callable[[NDArray[np.uint8]], tuple[torch.Tensor, Lattice]]


class Remembered(Backbone):
    """A backbone that keeps what it said of an image, for the next method."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.patch_size = backbone.patch_size
        self.n_channels = backbone.n_channels
        self.identity = backbone.identity
        self._known: dict[bytes, list[torch.Tensor]] = {}

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of images, lowest level first."""
        found = [self._of(image[None]) for image in images]
        return [torch.cat(levels) for levels in zip(*found, strict=True)]

    def _of(self, image: torch.Tensor) -> list[torch.Tensor]:
        key = hashlib.sha256(image.numpy().tobytes()).digest()
        if key not in self._known:
            self._known[key] = self.backbone(image)
        return self._known[key]


class Frames:
    """Features of the training tokens that the baselines share."""

    def __init__(self, train: SegmentationDataset, backbone: Backbone) -> None:
        self.train = train
        self.backbone = backbone

    def of(self, rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor, Lattice]:
        """Graph features and colours (h, w, c) of a frame, and its lattice."""
        lattice = Lattice.of(*rgb.shape[:2], self.backbone.patch_size)
        padded = lattice.pad(rgb)
        features = extract(self.backbone, padded[None], CPU)[0]
        kept = features[..., -self.backbone.n_channels[-1] :]
        return kept, lattice.token_colors(padded), lattice

    def sample(self, seed: int) -> NDArray[np.float32]:
        """Features of random tokens, as many of every frame."""
        generator = np.random.default_rng(seed)
        own = -(-N_TOKENS // len(self.train))
        rows = []
        for path in self.train.images:
            tokens = self.of(read_image(path))[0].flatten(0, 1).numpy()
            rows.append(tokens[generator.permutation(len(tokens))[:own]])
        return np.concatenate(rows)


def by_kmeans(frames: Frames, k: int, seed: int, scaled: bool) -> Scores:
    """Scores whose largest is the nearest centre."""
    rows = frames.sample(seed)
    shift, scale = rows.mean(axis=0), np.ones(rows.shape[1], np.float32)
    if scaled:
        scale = rows.std(axis=0) + 1e-6
    kmeans = KMeans(k, n_init=10, random_state=seed).fit((rows - shift) / scale)
    centres = torch.from_numpy(kmeans.cluster_centers_).float()
    spread = kmeans.inertia_ / rows.size

    def scores(rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, Lattice]:
        features, _, lattice = frames.of(rgb)
        z = (features - torch.from_numpy(shift)) / torch.from_numpy(scale)
        return (z @ centres.T - centres.square().sum(1) / 2) / spread, lattice

    return scores


class Segments:
    """Spectral clustering of every image by itself, computed once."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self._known: dict[bytes, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    def of(
        self, rgb: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Segment (h, w) of every token, and mean features of the segments."""
        key = rgb[::16, ::16].tobytes()
        if key not in self._known:
            features, colors, _ = self.frames.of(rgb)
            graph = self._graph(features, colors)
            spectrum = graph_spectrum(graph.weights, N_EIGENVECTORS)
            rows = diffused_rows(spectrum.functions, spectrum.eigenvalues, 10.0)
            found = KMeans(N_SEGMENTS, n_init=3, random_state=0).fit_predict(rows)
            flat = features.flatten(0, 1).numpy()
            means = [flat[found == s].mean(axis=0) for s in range(N_SEGMENTS)]
            labels = found.reshape(features.shape[:2]).astype(np.int64)
            self._known[key] = labels, np.stack(means)
        return self._known[key]

    def _graph(self, features: torch.Tensor, colors: torch.Tensor) -> Graph:
        """The graph that DenseSegmenter has, of one image."""
        flat = features.flatten(0, 1)
        standardized = (features - flat.mean(dim=0)) / (flat.std(dim=0) + 1e-6)
        pixels = matrix_of(pixel_grid_edges(colors))
        return TokenAffinity().build(standardized.numpy(), matrix=pixels)

    def scores(self, k: int, seed: int) -> Scores:
        """One-hot scores of the clusters of segments."""
        train = [self.of(read_image(path))[1] for path in self.frames.train.images]
        kmeans = KMeans(k, n_init=10, random_state=seed).fit(np.concatenate(train))

        def scores(rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, Lattice]:
            labels, means = self.of(rgb)
            cluster = torch.from_numpy(kmeans.predict(means).astype(np.int64))
            one_hot = torch.nn.functional.one_hot(cluster, k).float()
            lattice = Lattice.of(*rgb.shape[:2], self.frames.backbone.patch_size)
            return 10 * one_hot[torch.from_numpy(labels)], lattice

        return scores


def counted(
    scores: Scores, k: int, dataset: SegmentationDataset, refine: bool = False
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Confusion of every frame, by plain and, if asked for, refined labels."""
    plain, refined = [], []
    for number, path in enumerate(dataset.images):
        rgb, mask = read_image(path), dataset.read_mask(number)
        found, lattice = scores(rgb)
        labels = labels_from_scores(found, lattice)
        confusion = ConfusionMatrix(dataset.n_classes, k)
        plain.append(confusion.update(mask, labels).counts)
        if refine:
            labels = refined_labels(found, rgb, lattice, radius=REFINE_RADIUS)
            confusion = ConfusionMatrix(dataset.n_classes, k)
            refined.append(confusion.update(mask, labels).counts)
    return plain, refined


def score(scores: Scores, k: int, train: Any, val: Any) -> dict[str, list[float]]:
    """Pixel accuracy and mean IoU on ``val``, plain and refined, and on clips."""
    known, _ = counted(scores, k, train)
    matching = match_clusters(sum(known[::LABELLED]))
    results = {}
    parts = counted(scores, k, val, refine=True)
    for name, own in zip(("plain", "refined"), parts, strict=True):
        found = matching.scores(sum(own), train.class_names)
        results[name] = [found.pixel_accuracy, found.mean_iou]
    return results | {"clips": by_clips(known, train)}


def by_clips(known: list[NDArray[np.int64]], train: SegmentationDataset) -> list[float]:
    """Mean IoU of every clip of the training frames, by the map of all others."""
    names = [path.name for path in train.images]
    own = [i for i, name in enumerate(names) if name.startswith(NEW_SEQUENCE)]
    total = np.sum(known, axis=0)
    found = []
    for first in range(0, len(own) - CLIP_FRAMES + 1, CLIP_FRAMES):
        clip = np.sum([known[i] for i in own[first : first + CLIP_FRAMES]], axis=0)
        found.append(match_clusters(total - clip).scores(clip).mean_iou)
    return found


def fitted(
    method: str, k: int, seed: int, segments: Segments, options: argparse.Namespace
) -> Iterator[tuple[str, Scores, Found]]:
    """Scores by one method, and by what comes of the same fit."""
    frames = segments.frames
    train = frames.train
    start = time.perf_counter()
    if method.startswith("k-means"):
        scores = by_kmeans(frames, k, seed, method.endswith("scaled"))
        yield method, scores, {"fit": time.perf_counter() - start}
        return
    if method == "spectral per image":
        yield method, segments.scores(k, seed), {"fit": time.perf_counter() - start}
        return
    model = DenseSegmenter(
        k,
        backbone=chosen_backbone(options),
        feature_cache=options.cache,
        random_state=seed,
    )
    model.set_params(**OURS[method]).fit(train.images)
    known = {"fit": time.perf_counter() - start, "modularity": model.modularity_}
    model.backbone_ = frames.backbone
    yield method, model._scores, known


def chosen_backbone(options: argparse.Namespace) -> str | TimmBackbone:
    """Backbone of the options, with weights of a file if there is one."""
    if options.weights is None:
        return str(options.backbone)
    return TimmBackbone(options.backbone, weights=options.weights)


def by_sequences(
    train: SegmentationDataset,
) -> tuple[SegmentationDataset, SegmentationDataset]:
    """Training frames of two sequences, and some of the third."""
    is_new = [path.name.startswith(NEW_SEQUENCE) for path in train.images]
    positions = range(len(train))
    return (
        train.subset([i for i in positions if not is_new[i]]),
        train.subset([i for i in positions if is_new[i]][::EVERY]),
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of CamVid")
    parser.add_argument("--backbone", default="color_texture")
    parser.add_argument("--weights", type=Path, help="file of the backbone")
    parser.add_argument("--clusters", nargs="*", type=int, default=list(CLUSTERS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default="camvid", help="of the files written")
    parser.add_argument(
        "--sequences", action="store_true", help="score a sequence of the training"
    )
    parser.add_argument("--resume", action="store_true", help="keep what is known")
    parser.add_argument("--limit", type=int, help="frames of every part, for a try")
    return parser.parse_args()


def setting_of(options: argparse.Namespace) -> str:
    """What results have in common that may stand in one table."""
    parts = [options.backbone]
    if options.sequences:
        parts.append("by sequences")
    if options.limit:
        parts.append(f"{options.limit} frames")
    return ", ".join(parts)


def known_results(options: argparse.Namespace, setting: str) -> list[Found]:
    """Results to go on from; those of another setting are not to be mixed with."""
    path = options.output / f"{options.name}.json"
    if not path.exists():
        return []
    found: list[Found] = json.loads(path.read_text())
    others = {f["setting"] for f in found} - {setting}
    if others:
        raise SystemExit(f"{path} has results of {others}; pass another --name.")
    return found if options.resume else []


def main() -> None:
    options = parse()
    setting = setting_of(options)
    found = known_results(options, setting)
    title = f"CamVid, {setting}: pixel accuracy / mean IoU in % (seeds)"
    train, val = (load_dataset("camvid", options.data, s) for s in ("train", "val"))
    if options.sequences:
        train, val = by_sequences(train)
    if options.limit:
        train, val = (part.subset(range(options.limit)) for part in (train, val))
    backbone = Remembered(make_backbone(chosen_backbone(options), device=CPU))
    segments = Segments(Frames(train, backbone))
    done = {(f["method"], f["k"], f["seed"]) for f in found}
    with tempfile.TemporaryDirectory() as cache:
        options.cache = cache
        for k, seed, method in product(
            options.clusters, options.seeds, options.methods
        ):
            if (method, k, seed) in done:
                continue
            for name, scores, extra in fitted(method, k, seed, segments, options):
                own = score(scores, k, train, val)
                made = {"setting": setting, "method": name, "k": k, "seed": seed}
                found.append({**made, **own, **extra})
            report.write(
                options.output, options.name, title, tables(found, METHODS[0]), found
            )


if __name__ == "__main__":
    main()
