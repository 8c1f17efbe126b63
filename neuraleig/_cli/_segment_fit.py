"""``neuraleig segment fit`` and ``predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from neuraleig import DenseSegmenter, save
from neuraleig._cli._models import load_segmenter
from neuraleig._cli._numbers import best_of
from neuraleig._cli._options import (
    ModelName,
    Verbosity,
    check_output,
    file_named,
    one_of,
)
from neuraleig._cli._settings import DEFAULTS, IMAGES
from neuraleig._words import choice_text, count_text
from neuraleig.segmentation._presets import PRESETS
from neuraleig.training._checkpoint import clearing_deferred

# Parameters that may differ between predictions of one model.
OF_PREDICTIONS = ("refine", "refine_radius", "flip", "scales")

Preset = Annotated[str | None, one_of([*PRESETS, "none"])]


def fit(
    images: str,
    *,
    output: ModelName,
    verbosity: Verbosity,
    preset: Preset = None,
    align_to: Path | None = None,
    parameters: Annotated[dict[str, Any], IMAGES],
) -> None:
    """Learn clusters from the images of a folder and all below it, and save a model.

    Parameters
    ----------
    output : MODEL
        Model file.

    Examples
    --------
    neuraleig segment fit photos -o model.safetensors
    neuraleig segment fit photos -o m.safetensors --n-clusters 12 --refine guided
    neuraleig segment fit photos -o m.safetensors --backbone color_texture
    neuraleig segment fit photos -o m.safetensors --backbone.weights dinov2.pth
    neuraleig segment fit photos -o new.safetensors --align-to model.safetensors
    """
    check_output(output)
    segmenter = new_segmenter(preset, {"verbose": verbosity.level, **parameters})
    # A model that cannot be written is not lost: its checkpoint is still there.
    with clearing_deferred():
        with IMAGES.as_options():
            model = segmenter.fit(images, align_to=align_to)
        # The model does not keep how much its fit reported.
        save(model.set_params(verbose=0), output)
    clusters = count_text(model.n_clusters_, "cluster")
    sys.stdout.write(
        f"{output}: {clusters} of {count_text(model.n_images_, 'image')}, "
        f"modularity {model.modularity_:.3f}"
        f"{choice_text(best_of(model), model.n_clusters_)}\n"
    )
    if align_to is not None:
        sys.stdout.write(f"numbers of {align_to}: {model.alignment_}\n")


def new_segmenter(preset: str | None, parameters: dict[str, Any]) -> DenseSegmenter:
    """Make the segmenter that options describe."""
    segmenter = DenseSegmenter()
    if preset is not None and preset != "none":
        segmenter = DenseSegmenter.from_preset(preset)
    changed: DenseSegmenter = segmenter.set_params(**{**DEFAULTS, **parameters})
    return changed


def predict(
    model: Path,
    images: str,
    *,
    output: Path,
    overlays: bool = False,
    coco: Annotated[Path | None, file_named("COCO's format", ".json")] = None,
    overwrite: bool = False,
    parameters: Annotated[dict[str, Any], IMAGES.only(OF_PREDICTIONS)],
    device: str = "auto",
    weights: str | None = None,
) -> int:
    """Write a PNG file of labels for every image of a folder, and manifest.json.

    A run that was stopped goes on where it was.

    Parameters
    ----------
    output : DIR
        Folder of the labels.
    overlays
        Write coloured images as well.
    coco : FILE
        Write the labels of all images to a JSON file of COCO's format as well.
    overwrite
        Begin anew.

    Examples
    --------
    neuraleig segment predict model.safetensors photos -o labels
    neuraleig segment predict model.safetensors photos -o labels --overlays
    neuraleig segment predict m.safetensors photos -o labels --coco labels.json
    """
    segmenter = load_segmenter(model, device, weights).set_params(**parameters)
    with IMAGES.as_options():
        report = segmenter.predict_folder(
            images, output, overlays=overlays, coco=coco, overwrite=overwrite
        )
    written, skipped = len(report.written), len(report.skipped)
    sys.stdout.write(
        f"{report.manifest}: {count_text(written, 'image')} labelled, "
        f"{skipped:,} done before, {len(report.unreadable)} unreadable\n"
    )
    return 0 if written + skipped else 1
