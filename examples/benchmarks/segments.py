"""Segments of labelled photographs, on the same frozen features for all methods.

    python examples/benchmarks/segments.py camvid FOLDER [--backbone NAME] [--resume]
    python examples/benchmarks/segments.py idd_lite FOLDER --image-size 448
        --backbone vit_small_patch14_dinov2 --weights FILE --layers 0 5 8

Methods are fitted to some pictures, without labels. The class of each cluster is found
by the labels of these (the class of highest IoU; of CamVid, by every fourth picture),
and scored on other pictures. ``--backbone`` takes any name that DenseSegmenter takes;
the default needs no weights. All methods see whole pictures, and their scores are
interpolated alike.

``camvid``: training frames, and the validation frames, which are seven seconds of one
street. ``clips`` are such seconds of the training frames: every seven frames in a row
of the sequence that validation is taken from are scored by the map of all other
training frames, and the table has the mean. ``idd_lite``: every other picture, and the
rest.

Methods: k-means of the last level, rows of unit length; of all levels, every channel
scaled, which is what the network sees; means of segments of every picture, by exact
spectral clustering and by principal masks, clustered by k-means; DenseSegmenter as it
is, with neighbours in any picture, without the pixel graph and with a heavier one, with
k-means on its hidden features, with attention, fine-tuned, from a random start, and by
the published recipe.
``single`` is the number of clusters of which one picture has nine tenths. ``+ refined``
lets the labels follow the edges of the image. ``--stages`` adds the mean IoU of
DenseSegmenter from the labels that are read off the graph on, by tokens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import report
import torch
from numpy.typing import NDArray
from segments_stages import by_stage, recorded
from segments_tables import Found, tables
from sklearn.cluster import KMeans
from torch.nn.functional import avg_pool2d

from neuraleig import DenseSegmenter
from neuraleig.affinity import (
    Graph,
    NeighborAffinity,
    TokenAffinity,
    pixel_grid_edges,
)
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
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._presets import published_clusterer
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
# Starts of k-means.
N_INIT = 3
# Every so many pictures have labels, for the map from clusters to classes.
LABELLED = {"camvid": 4, "idd_lite": 1}
# Sequence of the training frames that validation is of, and frames of a clip.
CLIP_SEQUENCE, CLIP_FRAMES = "0016E5", 7
# Cosine of the tokens of a principal mask, and share of a picture that is masked.
MASK_COSINE, MASKED = 0.4, 0.95
# Share of a cluster that makes it one of a single picture.
SINGLE_SHARE = 0.9
# Radius of the refinement in patches.
REFINE_RADIUS = 2.0
ANYWHERE = NeighborAffinity(across_groups=False)
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, neighbours anywhere": {"clusterer__affinity": ANYWHERE},
    "ours, no pixel graph": {"pixel_weight": 0.0},
    "ours, pixels at 0.3": {"pixel_weight": 0.3},
    "ours, k-means on hidden": {"clusterer__assign_labels": "kmeans_hidden"},
    "ours, attention": {"clusterer__network": TokenAttention()},
    "ours, fine-tuned": {"clusterer__training__max_iter": 50},
    "ours, random start": {
        "clusterer__training": Training(init="random", max_iter=300)
    },
    "published recipe": {"clusterer": published_clusterer(16, 1_000)},
}
METHODS = ("k-means", "k-means, scaled", "spectral per image", "principal masks", *OURS)
CPU = torch.device("cpu")

Scores = Callable[[NDArray[np.uint8]], tuple[torch.Tensor, Lattice]]


class Remembered(Backbone):
    """A backbone that keeps what it said of an image, for the next method.

    In half precision, as the segmenter stores features.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.patch_size = backbone.patch_size
        self.n_channels = backbone.n_channels
        self.identity = backbone.identity
        self._known: dict[bytes, list[torch.Tensor]] = {}

    @torch.inference_mode()
    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Features of images, lowest level first."""
        found = [self._of(image[None]) for image in images]
        return [torch.cat(levels) for levels in zip(*found, strict=True)]

    def _of(self, image: torch.Tensor) -> list[torch.Tensor]:
        key = hashlib.sha256(image.numpy().tobytes()).digest()
        if key not in self._known:
            self._known[key] = [level.half() for level in self.backbone(image)]
        return [level.float() for level in self._known[key]]


class Frames:
    """Features of the tokens of pictures, which all methods share."""

    def __init__(
        self, train: SegmentationDataset, backbone: Backbone, image_size: int | None
    ) -> None:
        self.train = train
        self.backbone = backbone
        self.view = Geometry(backbone.patch_size, image_size, None, None)

    def of(self, rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor, Lattice]:
        """Features and colours (h, w, c) of a picture, and its lattice."""
        lattice = self.view.lattice(*rgb.shape[:2])
        padded = lattice.pad(self.view.seen(rgb))
        features = extract(self.backbone, padded[None], CPU)[0]
        colors = avg_pool2d(padded, lattice.patch_size).permute(1, 2, 0)
        return features, colors, lattice

    def last(self, features: torch.Tensor) -> torch.Tensor:
        """Features of the last level."""
        return features[..., -self.backbone.n_channels[-1] :]

    def sample(self, seed: int) -> NDArray[np.float32]:
        """Features of random tokens, as many of every picture."""
        generator = np.random.default_rng(seed)
        own = -(-N_TOKENS // len(self.train))
        rows = []
        for path in self.train.images:
            tokens = self.of(read_image(path))[0].flatten(0, 1).numpy()
            rows.append(tokens[generator.permutation(len(tokens))[:own]])
        return np.concatenate(rows)


def by_kmeans(frames: Frames, k: int, seed: int, scaled: bool) -> Scores:
    """Scores whose largest is the nearest centre."""
    rows = torch.from_numpy(frames.sample(seed))
    shift, scale = rows.mean(dim=0), rows.std(dim=0) + 1e-6

    def seen(features: torch.Tensor) -> torch.Tensor:
        if scaled:
            return (features - shift) / scale
        return torch.nn.functional.normalize(frames.last(features), dim=-1)

    kmeans = KMeans(k, n_init=N_INIT, random_state=seed).fit(seen(rows).numpy())
    centres = torch.from_numpy(kmeans.cluster_centers_).float()
    spread = kmeans.inertia_ / (len(rows) * centres.shape[1])

    def scores(rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, Lattice]:
        features, _, lattice = frames.of(rgb)
        z = seen(features)
        return (z @ centres.T - centres.square().sum(1) / 2) / spread, lattice

    return scores


def spectral_segments(frames: Frames, rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Segment (h, w) of every token, by spectral clustering of the picture."""
    features, colors, _ = frames.of(rgb)
    last = frames.last(features)
    flat = last.flatten(0, 1)
    standardized = ((flat - flat.mean(dim=0)) / (flat.std(dim=0) + 1e-6)).numpy()
    pixels = matrix_of(pixel_grid_edges(colors))
    affinity = TokenAffinity(ANYWHERE)
    graph: Graph = affinity.build(standardized, matrix=pixels)
    spectrum = graph_spectrum(graph.weights, N_EIGENVECTORS)
    rows = diffused_rows(spectrum.functions, spectrum.eigenvalues, 10.0)
    found = KMeans(N_SEGMENTS, n_init=3, random_state=0).fit_predict(rows)
    return found.reshape(last.shape[:2]).astype(np.int64)


def principal_masks(frames: Frames, rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Segment (h, w) of every token, by masks around principal directions.

    The token nearest to the first principal direction, with all tokens of high cosine,
    is a mask; so on with the tokens that are left. (After Hahn et al., 2024.)
    """
    last = frames.last(frames.of(rgb)[0])
    rows = torch.nn.functional.normalize(last.flatten(0, 1), dim=1)
    labels = np.full(len(rows), -1)
    left = torch.ones(len(rows), dtype=torch.bool)
    for number in range(len(rows)):
        own = rows[left]
        direction = torch.linalg.eigh(own.T @ own)[1][:, -1]
        seed = own[(own @ direction).abs().argmax()]
        mask = left & (rows @ seed > MASK_COSINE)
        if (~left).float().mean() >= MASKED or not mask.any():
            mask = left.clone()
        labels[mask.numpy()] = number
        left &= ~mask
        if not left.any():
            break
    return labels.reshape(last.shape[:2])


SEGMENTS = {"spectral per image": spectral_segments, "principal masks": principal_masks}


class Segments:
    """Segments of every picture by itself, computed once."""

    def __init__(self, frames: Frames, method: str) -> None:
        self.frames = frames
        self.cut = SEGMENTS[method]
        self._known: dict[bytes, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    def of(
        self, rgb: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Segment (h, w) of every token, and mean features of the segments."""
        key = rgb[::16, ::16].tobytes()
        if key not in self._known:
            labels = self.cut(self.frames, rgb)
            features = self.frames.last(self.frames.of(rgb)[0])
            flat = torch.nn.functional.normalize(features.flatten(0, 1), dim=1).numpy()
            own = [flat[labels.ravel() == s] for s in range(labels.max() + 1)]
            self._known[key] = labels, np.stack([rows.mean(axis=0) for rows in own])
        return self._known[key]

    def scores(self, k: int, seed: int) -> Scores:
        """One-hot scores of the clusters of segments."""
        train = [self.of(read_image(path)) for path in self.frames.train.images]
        sizes = np.concatenate([np.bincount(labels.ravel()) for labels, _ in train])
        means = np.concatenate([means for _, means in train])
        kmeans = KMeans(k, n_init=N_INIT, random_state=seed)
        kmeans.fit(means, sample_weight=sizes.astype(means.dtype))

        def scores(rgb: NDArray[np.uint8]) -> tuple[torch.Tensor, Lattice]:
            labels, means = self.of(rgb)
            cluster = torch.from_numpy(kmeans.predict(means).astype(np.int64))
            one_hot = torch.nn.functional.one_hot(cluster, k).float()
            lattice = self.frames.view.lattice(*rgb.shape[:2])
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
        labels = labels_from_scores(found, lattice, rgb.shape[:2])
        confusion = ConfusionMatrix(dataset.n_classes, k)
        plain.append(confusion.update(mask, labels).counts)
        if refine:
            labels = refined_labels(found, rgb, lattice, radius=REFINE_RADIUS)
            confusion = ConfusionMatrix(dataset.n_classes, k)
            refined.append(confusion.update(mask, labels).counts)
    return plain, refined


def score(
    scores: Scores,
    k: int,
    train: SegmentationDataset,
    val: SegmentationDataset,
    labelled: int,
) -> Found:
    """Pixel accuracy and mean IoU on ``val``, plain and refined, and on clips."""
    known, _ = counted(scores, k, train)
    matching = match_clusters(np.sum(known[::labelled], axis=0))
    results: Found = {}
    parts = counted(scores, k, val, refine=True)
    for name, own in zip(("plain", "refined"), parts, strict=True):
        found = matching.scores(np.sum(own, axis=0), train.class_names)
        results[name] = [found.pixel_accuracy, found.mean_iou]
    return {**results, "single": n_single(known), "clips": by_clips(known, train)}


def n_single(known: list[NDArray[np.int64]]) -> int:
    """Clusters of which a single picture has nearly all pixels."""
    pixels = np.stack([counts.sum(axis=0) for counts in known])
    total = pixels.sum(axis=0)
    return int((pixels.max(axis=0) > SINGLE_SHARE * total)[total > 0].sum())


def by_clips(known: list[NDArray[np.int64]], train: SegmentationDataset) -> list[float]:
    """Mean IoU of every clip of the training frames, by the map of all others."""
    names = [path.name for path in train.images]
    own = [i for i, name in enumerate(names) if name.startswith(CLIP_SEQUENCE)]
    total = np.sum(known, axis=0)
    found = []
    for first in range(0, len(own) - CLIP_FRAMES + 1, CLIP_FRAMES):
        clip = np.sum([known[i] for i in own[first : first + CLIP_FRAMES]], axis=0)
        found.append(match_clusters(total - clip).scores(clip).mean_iou)
    return found


def fitted(
    method: str,
    k: int,
    seed: int,
    frames: Frames,
    val: SegmentationDataset,
    options: argparse.Namespace,
) -> tuple[Scores, Found]:
    """Scores by one method, and what else is known of the fit."""
    start = time.perf_counter()
    if method.startswith("k-means"):
        scores = by_kmeans(frames, k, seed, method.endswith("scaled"))
        return scores, {"fit": time.perf_counter() - start}
    if method in SEGMENTS:
        scores = options.segments[method].scores(k, seed)
        return scores, {"fit": time.perf_counter() - start}
    model = DenseSegmenter(
        k,
        backbone=frames.backbone,
        image_size=options.image_size,
        window_size=None,
        feature_cache=None,
        random_state=seed,
    )
    with recorded() as parts:
        model.set_params(**OURS[method]).fit(frames.train.images)
    known: Found = {"fit": time.perf_counter() - start, "modularity": model.modularity_}
    if options.stages and "labels" in parts:
        labelled = LABELLED[options.dataset]
        known["stages"] = by_stage(model, parts, frames.train, val, labelled)
    return model._scores, known


def chosen_backbone(options: argparse.Namespace) -> str | TimmBackbone:
    """Backbone of the options, with weights of a file if there is one."""
    if options.weights is None:
        return str(options.backbone)
    layers = options.layers or "auto"
    return TimmBackbone(options.backbone, weights=options.weights, layers=layers)


def load(options: argparse.Namespace) -> tuple[SegmentationDataset, ...]:
    """Pictures of the fit, and those that are scored."""
    root: Path = options.folder
    if options.dataset == "camvid":
        train, val = (load_dataset("camvid", root, split) for split in ("train", "val"))
    else:
        classes = json.loads((root / "classes.json").read_text())
        found = SegmentationDataset(
            sorted((root / "images").glob("*.jpg")),
            sorted((root / "labels").glob("*.png")),
            tuple(classes.values()),
        )
        everyone = range(len(found))
        train, val = found.subset(everyone[::2]), found.subset(everyone[1::2])
    if options.limit:
        train, val = (part.subset(range(options.limit)) for part in (train, val))
    return train, val


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=list(LABELLED))
    parser.add_argument("folder", type=Path, help="folder of the data set")
    parser.add_argument("--backbone", default="color_texture")
    parser.add_argument("--weights", type=Path, help="file of the backbone")
    parser.add_argument("--layers", nargs="*", type=int, help="blocks of the backbone")
    parser.add_argument("--image-size", type=int, help="pixels of the shorter side")
    parser.add_argument("--clusters", nargs="*", type=int, default=list(CLUSTERS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", help="of the files written")
    parser.add_argument("--resume", action="store_true", help="keep what is known")
    parser.add_argument("--stages", action="store_true", help="scores of every stage")
    parser.add_argument("--limit", type=int, help="pictures of every part, for a try")
    return parser.parse_args()


def setting_of(options: argparse.Namespace) -> str:
    """What results have in common that may stand in one table."""
    parts = [options.dataset, options.backbone]
    if options.layers:
        parts.append(f"blocks {' '.join(map(str, options.layers))}")
    if options.image_size:
        parts.append(f"{options.image_size} pixels")
    if options.limit:
        parts.append(f"{options.limit} pictures")
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
    options.name = options.name or f"segments_{options.dataset}"
    setting = setting_of(options)
    found = known_results(options, setting)
    title = f"{setting}: pixel accuracy / mean IoU in % (seeds)"
    train, val = load(options)
    backbone = Remembered(make_backbone(chosen_backbone(options), device=CPU))
    frames = Frames(train, backbone, options.image_size)
    options.segments = {method: Segments(frames, method) for method in SEGMENTS}
    done = {(f["method"], f["k"], f["seed"]) for f in found}
    for seed, k, method in product(options.seeds, options.clusters, options.methods):
        if (method, k, seed) in done:
            continue
        scores, extra = fitted(method, k, seed, frames, val, options)
        own = score(scores, k, train, val, LABELLED[options.dataset])
        made = {"setting": setting, "method": method, "k": k, "seed": seed}
        found.append({**made, **own, **extra})
        made_tables = tables(found, METHODS[0])
        report.write(options.output, options.name, title, made_tables, found)


if __name__ == "__main__":
    main()
