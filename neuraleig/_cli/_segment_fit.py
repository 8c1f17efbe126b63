"""``neuraleig segment fit`` and ``predict``."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from neuraleig import DenseSegmenter, save
from neuraleig._cli._command import UsageError
from neuraleig._cli._models import for_predictions, load_segmenter
from neuraleig._cli._numbers import best_of
from neuraleig._cli._options import (
    ModelName,
    Verbosity,
    check_output,
)
from neuraleig._cli._readers import file_named, one_of
from neuraleig._cli._settings import IMAGE_DEFAULTS, IMAGES
from neuraleig._words import choice_text, count_text
from neuraleig.segmentation._presets import PRESETS
from neuraleig.segmentation.backbones._feature_cache import TEMPORARY
from neuraleig.segmentation.images._image_files import image_format
from neuraleig.segmentation.images._image_paths import MANIFEST
from neuraleig.segmentation.outputs._coco import checked_coco
from neuraleig.training._checkpoint import clearing_deferred

# Parameters that may differ between predictions of one model.
OF_PREDICTIONS = ("refine", "refine_radius", "flip", "scales", "feature_cache")

PREDICTION_OPTIONS = IMAGES.only("parameters of predictions", OF_PREDICTIONS)
Preset = Annotated[str | None, one_of([*PRESETS, "none"])]


@dataclass(frozen=True)
class LabelFiles:
    """Files of labels.

    Parameters
    ----------
    overlays
        Write coloured images beside the labels.
    coco : FILE
        Write all labels into one JSON file, too, as run lengths of COCO.
    overwrite
        Begin the folder of the labels anew.
    """

    overlays: bool = False
    coco: Annotated[Path | None, file_named("COCO's format", ".json")] = None
    overwrite: bool = False

    def check(self, folder: Path) -> None:
        """Refuse, before a fit, a folder that has labels of another model."""
        if self.coco is not None:
            checked_coco(self.coco, folder)
        if not self.overwrite and (folder / MANIFEST).exists():
            raise ValueError(
                f"--predict {folder} has labels of another model; name another folder, "
                "or pass --overwrite"
            )

    def write(self, model: DenseSegmenter, images: str, folder: Path) -> int:
        """Label images; the status of the command."""
        report = model.predict_folder(
            images, folder, progress=bool(model.verbose), **vars(self)
        )
        written, skipped = len(report.written), len(report.skipped)
        sys.stdout.write(
            f"{report.manifest}: {count_text(written, 'image')} labelled, "
            f"{skipped:,} done before, {len(report.unreadable)} unreadable\n"
        )
        return 0 if written + skipped else 1


@dataclass(frozen=True)
class Results:
    """What is written about the images of the fit, beside the model.

    Parameters
    ----------
    predict : DIR
        Label the images, into a folder, as the command predict does.
    sheet : PNG
        Draw the clusters on a sheet.
    report : HTML
        Write a page about the model and its images. Needs the extra plot.
    """

    predict: Path | None = None
    sheet: Path | None = None
    report: Annotated[Path | None, file_named("a page", ".html")] = None

    def check(self, images: str, files: LabelFiles) -> None:
        """Refuse what cannot be written, before the fit."""
        given = [f"--{name}" for name, value in vars(files).items() if value]
        if self.predict is None and given:
            raise UsageError(f"{given[0]} is about labels, and needs --predict DIR")
        check_sheet(self.sheet)
        check_output(self.report, images, option="--report")
        if self.predict is not None:
            files.check(self.predict)
        if self.report is not None:
            # Whether what it needs is installed.
            import neuraleig.report  # noqa: F401

    def write(self, model: DenseSegmenter, images: str, files: LabelFiles) -> int:
        """Write what was asked for, from the features of the fit; the status."""
        status = 0
        if self.predict is not None:
            status = files.write(model, images, self.predict)
        if self.sheet is not None:
            model.contact_sheet(images).save(self.sheet)
            sys.stdout.write(f"{self.sheet}: {self.sheet.stat().st_size} bytes\n")
        if self.report is not None:
            from neuraleig.report import write_report

            write_report(model, images, self.report)
            sys.stdout.write(f"{self.report}: {self.report.stat().st_size} bytes\n")
        return status


def check_sheet(path: Path | None) -> None:
    """Refuse the file of a sheet that cannot be written."""
    check_output(path, option="--sheet")
    if path is not None:
        image_format(path)


def fit(
    images: str,
    *,
    output: ModelName,
    verbosity: Verbosity,
    results: Results,
    files: LabelFiles,
    preset: Preset = None,
    align_to: Path | None = None,
    parameters: Annotated[dict[str, Any], IMAGES],
) -> int:
    """Learn clusters from the images of a folder and all below it, and save a model.

    Images are seen once: labels, a sheet and a page about the same images, by this
    command or by others after it, take their features from a store: a folder of the
    user's caches that nobody else may read. --feature-cache none stores nothing.

    Parameters
    ----------
    output : MODEL
        Model file.

    Examples
    --------
    neuraleig segment fit photos -o model.safetensors
    neuraleig segment fit photos -o m.safetensors --predict labels --sheet s.png
    neuraleig segment fit photos -o m.safetensors --n-clusters 12 --refine guided
    neuraleig segment fit photos -o m.safetensors --backbone color_texture
    neuraleig segment fit photos -o m.safetensors --backbone.weights dinov2.pth
    neuraleig segment fit photos -o new.safetensors --align-to model.safetensors
    """
    check_output(output)
    results.check(images, files)
    segmenter = new_segmenter(preset, {"verbose": verbosity.level, **parameters})
    # A model that cannot be written is not lost: its checkpoint is still there.
    with clearing_deferred():
        model = segmenter.fit(images, align_to=align_to)
        save_segmenter(model, output)
    clusters = count_text(model.n_clusters_, "cluster")
    sys.stdout.write(
        f"{output}: {clusters} of {count_text(model.n_images_, 'image')}, "
        f"modularity {model.modularity_:.3f}"
        f"{choice_text(best_of(model), model.n_clusters_)}\n"
    )
    if align_to is not None:
        sys.stdout.write(f"numbers of {align_to}: {model.alignment_}\n")
    return results.write(model, images, files)


def save_segmenter(model: DenseSegmenter, path: Path) -> None:
    """Save a model without how much its fit reported, and where features were kept."""
    save(copy.copy(model).set_params(verbose=0, feature_cache=TEMPORARY), path)


def new_segmenter(preset: str | None, parameters: dict[str, Any]) -> DenseSegmenter:
    """Make the segmenter that options describe."""
    segmenter = DenseSegmenter()
    if preset is not None and preset != "none":
        segmenter = DenseSegmenter.from_preset(preset)
    changed: DenseSegmenter = segmenter.set_params(**{**IMAGE_DEFAULTS, **parameters})
    return changed


def predict(
    model: Path,
    images: str,
    *,
    output: Path,
    files: LabelFiles,
    parameters: Annotated[dict[str, Any], PREDICTION_OPTIONS],
    device: str = "auto",
    weights: str | None = None,
) -> int:
    """Write a PNG file of labels for every image of a folder, and manifest.json.

    A run that was stopped goes on where it was.

    Parameters
    ----------
    output : DIR
        Folder of the labels.

    Examples
    --------
    neuraleig segment predict model.safetensors photos -o labels
    neuraleig segment predict model.safetensors photos -o labels --overlays
    neuraleig segment predict m.safetensors photos -o labels --coco labels.json
    """
    loaded = load_segmenter(model, device, weights)
    segmenter = for_predictions(loaded).set_params(**parameters)
    return files.write(segmenter, images, output)
