"""``neuraleig segment``: fit to a folder of images, and label folders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TextIO

from neuraleig import save
from neuraleig._cli._arguments import (
    FORMAT,
    Commands,
    Parser,
    add_command,
    add_verbosity,
    check_output,
)
from neuraleig._cli._models import add_model_output
from neuraleig._cli._segment_evaluate import add_evaluate
from neuraleig._cli._segment_name import add_name
from neuraleig._cli._segment_options import (
    add_fit_options,
    add_model_options,
    add_prediction_options,
    loaded_model,
    new_segmenter,
)
from neuraleig._words import count_text, suggestion_text

EXAMPLES = """\
examples:
  neuraleig segment fit photos -o model.safetensors --n-clusters 12
  neuraleig segment predict model.safetensors photos -o labels --overlays
  neuraleig segment name model.safetensors --name 3=road --merge 1,4
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
  neuraleig segment fit --help             options of a command
"""
FIT_EXAMPLES = """\
  neuraleig segment fit photos -o model.safetensors
  neuraleig segment fit photos -o m.safetensors --n-clusters 12 --refine guided
  neuraleig segment fit photos -o m.safetensors --backbone color_texture
  neuraleig segment fit photos -o m.safetensors --weights dinov2.pth
"""
PREDICT_EXAMPLES = """\
  neuraleig segment predict model.safetensors photos -o labels
  neuraleig segment predict model.safetensors photos -o labels --overlays
"""


def add_segment(commands: Commands[Parser]) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "segment",
        help="segment images without labels",
        description="Unsupervised semantic segmentation of folders of images.",
        epilog=EXAMPLES,
        formatter_class=FORMAT,
        allow_abbrev=False,
    )
    segment_commands = parser.add_subparsers(metavar="command", required=True)
    _add_fit(segment_commands)
    _add_predict(segment_commands)
    add_evaluate(segment_commands)
    add_name(segment_commands)


def _add_fit(commands: Commands[Parser]) -> None:
    parser = add_command(
        commands,
        "fit",
        "learn clusters from a folder of images",
        "Learn clusters from the images of a folder and all below it, and save a\n"
        "model. On a terminal, a line per stage goes to stderr.",
        FIT_EXAMPLES,
    )
    parser.add_argument("images", metavar="FOLDER", help="images")
    add_model_output(parser)
    add_verbosity(parser)
    add_fit_options(parser)
    add_prediction_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=_fit)


def _fit(arguments: argparse.Namespace, out: TextIO) -> int:
    check_output(arguments.output, "--output")
    model = new_segmenter(arguments).fit(arguments.images)
    # What is told while it is fitted is no part of a model.
    save(model.set_params(verbose=0), arguments.output)
    clusters = count_text(model.n_clusters_, "cluster")
    out.write(
        f"{arguments.output}: {clusters} of {count_text(model.n_images_, 'image')}, "
        f"modularity {model.modularity_:.3f}"
        f"{suggestion_text(model.suggested_n_clusters_)}\n"
    )
    return 0


def _add_predict(commands: Commands[Parser]) -> None:
    parser = add_command(
        commands,
        "predict",
        "label the pixels of a folder of images",
        "Write a PNG file of labels for every image of a folder, and manifest.json.\n"
        "A run that was stopped goes on where it was.",
        PREDICT_EXAMPLES,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file")
    parser.add_argument("images", metavar="FOLDER", help="images")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="folder"
    )
    parser.add_argument(
        "--overlays", action="store_true", help="write coloured images, too"
    )
    parser.add_argument("--overwrite", action="store_true", help="begin anew")
    add_prediction_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace, out: TextIO) -> int:
    report = loaded_model(arguments).predict_folder(
        arguments.images,
        arguments.output,
        overlays=arguments.overlays,
        overwrite=arguments.overwrite,
    )
    written, skipped = len(report.written), len(report.skipped)
    out.write(
        f"{report.manifest}: {count_text(written, 'image')} labelled, "
        f"{skipped:,} done before, "
        f"{len(report.unreadable)} unreadable\n"
    )
    return 0 if written + skipped else 1
