"""``neuraleig segment evaluate``: scores on labelled sets, as published."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Exit

from neuraleig import DenseSegmenter
from neuraleig._cli._command import UsageError
from neuraleig._cli._models import for_predictions, load_segmenter
from neuraleig._cli._options import (
    Verbosity,
    check_output,
    model_name,
    one_of,
)
from neuraleig._cli._segment_fit import (
    OF_PREDICTIONS,
    Preset,
    new_segmenter,
    save_segmenter,
)
from neuraleig._cli._settings import IMAGES
from neuraleig._terminal import live_bar
from neuraleig._words import count_text
from neuraleig.segmentation import (
    PROTOCOLS,
    Evaluation,
    Protocol,
    SegmentationDataset,
    load_dataset,
)
from neuraleig.segmentation import evaluate as score
from neuraleig.segmentation.evaluation._datasets import DATASETS
from neuraleig.segmentation.evaluation._matching import MATCHINGS

SPLITS = ("train", "val", "test")
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
    """Labelled set, and how clusters are scored on it.

    Parameters
    ----------
    dataset : NAME
        Labelled set, one of --layouts.
    root : DIR
        Its folder.
    split : NAME
        Split to score: train, val or test.
    map_split : NAME
        Split on which clusters are matched to classes (default: the scored one).
    protocol : NAME
        reco for 320 x 320 crops, or sliding_window for whole images (default: the
        published one).
    how : NAME
        majority for many clusters to a class, or hungarian for one to one.
    """

    dataset: Annotated[str, one_of(DATASETS)]
    root: Path
    split: Annotated[str, one_of(SPLITS)] = "val"
    map_split: Annotated[str | None, one_of(SPLITS)] = None
    protocol: Annotated[str | None, one_of(PROTOCOLS)] = None
    how: Annotated[Any, one_of(MATCHINGS)] = "majority"

    def load(self, split: str) -> SegmentationDataset:
        """Load a split."""
        try:
            return load_dataset(self.dataset, self.root, split)
        except (FileNotFoundError, ValueError) as error:
            kind = FileNotFoundError if isinstance(error, OSError) else ValueError
            reason = str(error).partition("\n")[0].removesuffix(".")
            raise kind(
                f"{reason}; neuraleig segment evaluate --layouts shows what is expected"
            ) from error


def evaluate(
    model: Path | None = None,
    *,
    scoring: Scoring,
    save_: Annotated[Path | None, model_name] = None,
    verbosity: Verbosity,
    preset: Preset = None,
    parameters: Annotated[dict[str, Any], IMAGES],
    weights: str | None = None,
    layouts: Annotated[bool, _show_layouts] = False,
) -> None:
    r"""Score a model on a labelled set.

    Every cluster is given the class that it covers best, and the classes are compared
    with those of the masks.

    Without a model, one is fitted first to the images of the train split, with the
    published settings for that set if there are some: one command makes a row of the
    published tables. The fit reads no label. Images are seen in the windows of the
    protocol, where it has some for the set.

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
    neuraleig segment evaluate --layouts
                                     folders in which the sets are expected
    """
    if model is not None:
        _check_fitted(parameters, preset, save_)
    scored = scoring.load(scoring.split)
    mapped = None
    if scoring.map_split not in (None, scoring.split):
        mapped = scoring.load(str(scoring.map_split))
    published_preset, published_protocol = PUBLISHED.get(scoring.dataset, UNPUBLISHED)
    if model is None:
        check_output(save_, option="--save")
        parameters = {"verbose": verbosity.level, **parameters}
        segmenter = new_segmenter(preset or published_preset, parameters)
        with IMAGES.as_options():
            segmenter.fit(scoring.load("train").images)
        if save_ is not None:
            save_segmenter(segmenter, save_)
    else:
        device = parameters.pop("device", "auto")
        loaded = load_segmenter(model, device, weights)
        segmenter = for_predictions(loaded).set_params(**parameters)
    found, segmenter = _scores(segmenter, scoring, published_protocol, scored, mapped)
    sys.stdout.write(_report(found, scored, mapped, segmenter, scoring.how))


def _scores(
    segmenter: DenseSegmenter,
    scoring: Scoring,
    published_protocol: str,
    scored: SegmentationDataset,
    mapped: SegmentationDataset | None,
) -> tuple[Evaluation, DenseSegmenter]:
    """Scores of a segmenter, and the segmenter with the windows of the protocol."""
    protocol = PROTOCOLS[scoring.protocol or published_protocol].for_dataset(
        scored.name
    )
    if protocol.window_size is not None:
        segmenter = segmenter.with_windows(protocol.window_size, protocol.stride)
    n_images = len(scored) + (0 if mapped is None else len(mapped))
    with live_bar("neuraleig: evaluate", n_images, "images") as advance:

        def predict(image: Any) -> Any:  # noqa: ANN401 - as the segmenter has it
            labels = segmenter.predict(image)
            advance(1)
            return labels

        found = score(
            predict,
            scored,
            n_clusters=segmenter.n_clusters_,
            protocol=protocol,
            how=scoring.how,
            map_dataset=mapped,
        )
    return found, segmenter


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


def _report(
    found: Evaluation,
    scored: SegmentationDataset,
    mapped: SegmentationDataset | None,
    model: DenseSegmenter,
    how: str,
) -> str:
    where = "the same images" if mapped is None else mapped.split
    images = count_text(found.n_images, "image")
    clusters = count_text(model.n_clusters_, "cluster")
    return (
        f"{scored.name} {scored.split}: {images}, "
        f"{clusters}, {_windows(found.protocol, model)}\n"
        f"classes of clusters: {how}, found on {where}\n\n"
        f"{found.scores.table()}\n"
    )


def _windows(protocol: Protocol, model: DenseSegmenter) -> str:
    if model.window_size is None:
        return f"protocol {protocol.name}, whole images"
    if isinstance(model.window_size, str):
        return f"protocol {protocol.name}, windows of large images"
    stride = "" if model.stride is None else f" every {model.stride}"
    return f"protocol {protocol.name}, windows of {model.window_size} pixels{stride}"
