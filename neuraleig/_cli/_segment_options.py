"""Options that the segment commands share, and what they stand for."""

from __future__ import annotations

import argparse
import ast
from typing import Any

from neuraleig import DenseSegmenter, load
from neuraleig._cli._arguments import Parser, counted, or_none, positive, seed
from neuraleig.persistence import describe
from neuraleig.segmentation._presets import PRESETS

ABSENT = argparse.SUPPRESS
# Options of a fit that a fitted model takes as well.
OF_PREDICTIONS = ("refine", "refine_radius", "flip", "scales")
OF_LOADING = ("checkpoint", "device")
# Options that are not called like their parameters.
OPTIONS = {
    "n_clusters": "clusters",
    "random_state": "seed",
    "assign_labels": "assign",
    "pretrained": "no_pretrained",
}


def add_fit_options(parser: Parser) -> None:
    """Add the options of a fit; those that are not given are not set."""
    group = parser.add_argument_group("what is fitted")
    size, words = or_none(positive), or_none(str)
    group.add_argument(
        "--preset",
        choices=[*PRESETS, "none"],
        default=ABSENT,
        metavar="NAME",
        help="published settings: %(choices)s",
    )
    for option, dest, kind, metavar, text in (
        (
            "--clusters",
            "n_clusters",
            positive,
            "N",
            "clusters (default: 27, or of the preset)",
        ),
        ("--backbone", "backbone", str, "NAME", "model of timm, or color_texture"),
        ("--image-size", "image_size", size, "N", "shorter side of images as seen"),
        ("--window-size", "window_size", size, "N", "side of windows, or none"),
        ("--stride", "stride", size, "N", "distance of neighbouring windows"),
        ("--max-iter", "max_iter", counted, "N", "most steps of training"),
        ("--pixel-weight", "pixel_weight", float, "X", "weight of the graph of pixels"),
        (
            "--feature-cache",
            "feature_cache",
            words,
            "DIR",
            "keep features here, or none",
        ),
        ("--seed", "random_state", seed, "N", "seed of all that is drawn (default: 0)"),
    ):
        group.add_argument(
            option, dest=dest, type=kind, default=ABSENT, metavar=metavar, help=text
        )
    _add_choices(group)


def _add_choices(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--no-pretrained",
        dest="pretrained",
        action="store_const",
        const=False,
        default=ABSENT,
        help="random weights for the backbone",
    )
    group.add_argument(
        "--assign",
        dest="assign_labels",
        choices=["argmax", "kmeans"],
        default=ABSENT,
        help="clusters of the network, or of k-means on its hidden units",
    )
    group.add_argument(
        "--init",
        choices=["spectral", "random"],
        default=ABSENT,
        help="start from exact eigenvectors, or from random weights",
    )
    group.add_argument(
        "--batch-size",
        type=positive,
        default=ABSENT,
        metavar="N",
        help="windows per step of training",
    )
    group.add_argument(
        "--param",
        dest="more",
        action="append",
        type=_parameter,
        default=[],
        metavar="NAME=VALUE",
        help="any other parameter of DenseSegmenter; again for more",
    )


def add_model_options(parser: Parser) -> None:
    """Add what a model needs to run."""
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--checkpoint",
        default=ABSENT,
        metavar="FILE",
        help="file of the backbone's weights, to fetch none",
    )
    group.add_argument(
        "--device", default=ABSENT, help="auto, cpu or cuda (default: auto)"
    )


def add_prediction_options(parser: Parser) -> None:
    """Add what may differ between predictions of one model."""
    group = parser.add_argument_group("how images are labelled")
    group.add_argument(
        "--refine",
        choices=["guided", "none"],
        default=ABSENT,
        help="let labels follow the edges of the image",
    )
    group.add_argument(
        "--flip",
        action="store_const",
        const=True,
        default=ABSENT,
        help="see images mirrored, too",
    )
    group.add_argument(
        "--scales",
        type=_scales,
        default=ABSENT,
        metavar="X,Y",
        help="sizes at which images are seen, such as 0.75,1,1.25",
    )
    group.add_argument(
        "--refine-radius",
        type=float,
        default=ABSENT,
        metavar="PATCHES",
        help="how far refinement looks, in patches (default: 1)",
    )


def new_segmenter(
    arguments: argparse.Namespace, preset: str | None = None
) -> DenseSegmenter:
    """Make the segmenter that the options describe.

    Parameters
    ----------
    arguments : Namespace
        Options that were given.
    preset : str or None, default=None
        Preset where ``--preset`` is not given.

    Returns
    -------
    segmenter : DenseSegmenter
        Unfitted.
    """
    chosen = getattr(arguments, "preset", preset)
    parameters = {"random_state": 0, "verbose": arguments.verbose, **_given(arguments)}
    if chosen in (None, "none"):
        return DenseSegmenter(**parameters)
    return DenseSegmenter.from_preset(chosen, **parameters)


def loaded_model(arguments: argparse.Namespace) -> DenseSegmenter:
    """Load the model that the options name, and set what they change."""
    # Before anything is made: a backbone may have to be fetched.
    kind = describe(arguments.model).class_name
    if kind != DenseSegmenter.__name__:
        raise ValueError(
            f"{arguments.model} holds a {kind}, which labels rows; pass the file of a "
            "DenseSegmenter"
        )
    given = _given(arguments)
    how = {name: given[name] for name in OF_LOADING if name in given}
    model: DenseSegmenter = load(arguments.model, **how)
    changes = {name: given[name] for name in OF_PREDICTIONS if name in given}
    model.set_params(**changes)
    return model


def options_of_fits(arguments: argparse.Namespace) -> list[str]:
    """Options that were given and say how to fit, as users know them."""
    given = [*_given(arguments), *(["preset"] if "preset" in arguments else [])]
    names = [name for name in given if name not in (*OF_PREDICTIONS, *OF_LOADING)]
    return ["--" + OPTIONS.get(name, name).replace("_", "-") for name in names]


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Parameters that were given."""
    known = set(DenseSegmenter().get_params()) - {"verbose"}
    given = {name: value for name, value in vars(arguments).items() if name in known}
    if given.get("refine") == "none":
        given["refine"] = None
    return {**given, **dict(getattr(arguments, "more", []))}


def _parameter(text: str) -> tuple[str, Any]:
    """Name and value of a parameter; what is no Python literal is text."""
    name, equals, value = text.partition("=")
    known = DenseSegmenter().get_params()
    if not equals or name not in known:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=VALUE with a parameter of DenseSegmenter"
        )
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 0.75,1,1.25")
    return scales
