"""``neuraleig segment evaluate``: scores on labelled images."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from typer import Exit

from neuraleig import DenseSegmenter
from neuraleig._cli._command import UsageError
from neuraleig._cli._evaluate import json_text
from neuraleig._cli._labelled_images import LabelledImages
from neuraleig._cli._models import for_predictions, load_segmenter
from neuraleig._cli._options import (
    Verbosity,
    check_output,
    model_name,
)
from neuraleig._cli._readers import one_of
from neuraleig._cli._segment_fit import (
    OF_PREDICTIONS,
    Preset,
    new_segmenter,
    save_segmenter,
)
from neuraleig._cli._settings import IMAGES
from neuraleig._terminal import live_bar
from neuraleig._words import count_text, share_text
from neuraleig.segmentation import (
    PROTOCOLS,
    Evaluation,
    Protocol,
    SegmentationDataset,
)
from neuraleig.segmentation import evaluate as score
from neuraleig.segmentation.evaluation._datasets import DATASETS
from neuraleig.segmentation.evaluation._matching import MATCHINGS, Matching

# Rows of the published tables: settings of the fit, and the protocol.
PUBLISHED = {
    "cityscapes": ("cityscapes", "sliding_window"),
    "cityscapes27": ("cityscapes", "reco"),
    "pascal_context": ("pascal_context", "reco"),
    "pascal_context60": ("pascal_context", "sliding_window"),
    "ade20k": ("ade20k", "sliding_window"),
}
UNPUBLISHED = (None, "sliding_window")


def _show_layouts(asked: bool) -> None:
    if asked:
        for name, known in DATASETS.items():
            sys.stdout.write(f"{name}: {len(known.class_names)} classes\n")
            sys.stdout.writelines(f"  {line}\n" for line in known.layout.splitlines())
        raise Exit


@dataclass(frozen=True)
class Scoring:
    """How clusters are scored.

    Parameters
    ----------
    protocol : NAME
        reco for 320 x 320 crops, or sliding_window for whole images (default: the
        published one).
    how : NAME
        majority for many clusters to a class, or hungarian for one to one.
    """

    protocol: Annotated[str | None, one_of(PROTOCOLS)] = None
    how: Annotated[Any, one_of(MATCHINGS)] = "majority"


def evaluate(
    model: Path | None = None,
    *,
    labelled: LabelledImages,
    scoring: Scoring,
    save_: Annotated[Path | None, model_name] = None,
    verbosity: Verbosity,
    preset: Preset = None,
    parameters: Annotated[dict[str, Any], IMAGES],
    weights: str | None = None,
    json_: bool = False,
    layouts: Annotated[bool, _show_layouts] = False,
) -> None:
    r"""Score a model on labelled images: a known set, or folders of your own.

    Every cluster is given the class that it covers best, and the classes are compared
    with those of the masks.

    Without a model, one is fitted first to the images of the train split, with the
    published settings for that set if there are some: one command makes a row of the
    published tables. With folders it is fitted to --map-images, or else to --images.
    The fit reads no label. Images are seen in the windows of the protocol, where it has
    some for the set.

    Parameters
    ----------
    save_ : MODEL
        Keep the model that is fitted.
    layouts
        Show the folders of the sets, and leave.

    Examples
    --------
    neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
    neuraleig segment evaluate --dataset cityscapes --root DIR
                                     a row of the published tables
    neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid \
        --map-split train            match clusters to classes on other images
    neuraleig segment evaluate model.safetensors --images photos --masks masks
    neuraleig segment evaluate model.safetensors --images new --masks new_masks \
        --map-images photos --map-masks masks --classes classes.json
    neuraleig segment evaluate --layouts
                                     folders in which the sets are expected
    """
    if model is not None:
        _check_fitted(parameters, preset, save_)
    scored, mapped = labelled.load()
    published_preset, published_protocol = PUBLISHED.get(scored.name, UNPUBLISHED)
    if model is None:
        check_output(save_, option="--save")
        parameters = {"verbose": verbosity.level, **parameters}
        segmenter = new_segmenter(preset or published_preset, parameters)
        segmenter.fit(labelled.images_of_fit(scored, mapped))
        if save_ is not None:
            save_segmenter(segmenter, save_)
    else:
        loaded = load_segmenter(model, parameters.pop("device", "auto"), weights)
        segmenter = for_predictions(loaded).set_params(**parameters)
    chosen = PROTOCOLS[scoring.protocol or published_protocol]
    protocol = chosen.for_dataset(scored.name)
    if protocol.window_size is not None:
        segmenter = segmenter.with_windows(protocol.window_size, protocol.stride)
    found, share = _scores(segmenter, protocol, scoring.how, scored, mapped)
    if json_:
        text = json_text(_as_json(found, share, segmenter))
    else:
        seen = f"{labelled.title}: {_seen(found, segmenter)}"
        how = f"{scoring.how}, found on {labelled.map_title}"
        text = _as_text(found, share, seen, how)
    sys.stdout.write(text)


def _scores(
    segmenter: DenseSegmenter,
    protocol: Protocol,
    how: Matching,
    scored: SegmentationDataset,
    mapped: SegmentationDataset | None,
) -> tuple[Evaluation, float]:
    """Scores of a segmenter, and the share of the scored pixels that have a class."""
    sizes: list[int] = []
    n_images = len(scored) + (0 if mapped is None else len(mapped))
    with live_bar("neuraleig: evaluate", n_images, "images") as advance:

        def predict(image: Any) -> Any:  # noqa: ANN401 - as the segmenter has it
            labels = segmenter.predict(image)
            sizes.append(np.size(labels))
            advance(1)
            return labels

        found = score(
            predict,
            scored,
            n_clusters=segmenter.n_clusters_,
            protocol=protocol,
            how=how,
            map_dataset=mapped,
        )
    # The images of the map come last.
    return found, float(found.confusion.sum() / sum(sizes[: len(scored)]))


def _check_fitted(
    parameters: dict[str, Any], preset: str | None, keep: Path | None
) -> None:
    """Refuse options of a fit with a model that is fitted."""
    of_fits = [
        IMAGES[name].option
        for name in parameters
        if name not in (*OF_PREDICTIONS, "device")
    ]
    of_fits += ["--preset"] * (preset is not None) + ["--save"] * (keep is not None)
    if of_fits:
        raise UsageError(f"{of_fits[0]} is for a fit, and MODEL is fitted already")


def _as_text(found: Evaluation, share: float, seen: str, how: str) -> str:
    """Scores as a table, below what was scored."""
    return (
        f"{seen}\nclasses of clusters: {how}\n"
        f"pixels with a class: {share_text(share)}\n\n{found.scores.table()}\n"
    )


def _as_json(found: Evaluation, share: float, model: DenseSegmenter) -> dict[str, Any]:
    """Scores by name; those of a class that is nowhere are None."""
    scores = found.scores

    def number(value: float) -> float | None:
        return None if np.isnan(value) else float(value)

    values = zip(
        scores.class_iou, scores.class_accuracy, scores.class_pixels, strict=True
    )
    classes = {
        name: {"iou": number(iou), "accuracy": number(right), "n_pixels": int(n)}
        for name, (iou, right, n) in zip(scores.class_names, values, strict=True)
    }
    return {
        "n_images": found.n_images,
        "n_clusters": model.n_clusters_,
        "protocol": found.protocol.name,
        "share_with_class": share,
        "mean_iou": number(scores.mean_iou),
        "pixel_accuracy": number(scores.pixel_accuracy),
        "classes": classes,
    }


def _seen(found: Evaluation, model: DenseSegmenter) -> str:
    """Images, clusters, protocol and windows in words."""
    counts = ((found.n_images, "image"), (model.n_clusters_, "cluster"))
    windows = "whole images"
    if isinstance(model.window_size, str):
        windows = "windows of large images"
    elif model.window_size is not None:
        stride = "" if model.stride is None else f" every {model.stride}"
        windows = f"windows of {model.window_size} pixels{stride}"
    words = [count_text(*count) for count in counts]
    return ", ".join([*words, f"protocol {found.protocol.name}", windows])
