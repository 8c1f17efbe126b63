"""Options that the segment commands share, and what they stand for."""

from __future__ import annotations

import argparse
from typing import Any

from neuraleig import DenseSegmenter, load
from neuraleig._cli._arguments import Parser
from neuraleig._cli._models import add_weights
from neuraleig._cli._values import (
    ABSENT,
    add_set,
    choices_of,
    converter,
    given_parameters,
    option_of,
    rules_of,
)
from neuraleig.persistence import describe
from neuraleig.segmentation._presets import PRESETS

RULES = rules_of(DenseSegmenter)
# Options of a fit that a fitted model takes as well.
OF_PREDICTIONS = ("refine", "refine_radius", "flip", "scales")
OF_LOADING = {"checkpoint": "weights", "device": "device"}
# Parameters of a fit that have options: what values are called, and what they are.
OF_FITS = {
    "n_clusters": ("N", "clusters (default: 27, or of the preset)"),
    "backbone": ("NAME", "model of timm, or color_texture"),
    "pretrained": ("", "weights of the backbone as they are published, or random"),
    "image_size": ("N", "shorter side of images as seen"),
    "window_size": ("N", "side of windows, or none"),
    "stride": ("N", "distance of neighbouring windows"),
    "init": ("NAME", "start from exact eigenvectors, or from random weights"),
    "assign_labels": ("NAME", "clusters of the network, or of k-means on its units"),
    "max_iter": ("N", "most steps of training"),
    "batch_size": ("N", "windows per step of training"),
    "pixel_weight": ("X", "weight of the graph of pixels"),
    "feature_cache": ("DIR", "keep features here, or none"),
    "random_state": ("N", "seed of all that is drawn (default: 0)"),
}
HOW_LABELLED = {
    "refine": ("NAME", "let labels follow the edges of the image"),
    "refine_radius": ("PATCHES", "how far refinement looks, in patches (default: 1)"),
    "flip": ("", "see images mirrored, too"),
    "scales": ("X,Y", "sizes at which images are seen, such as 0.75,1,1.25"),
}


def add_fit_options(parser: Parser) -> None:
    """Add the options of a fit; those that are not given are not set."""
    group = parser.add_argument_group("what is fitted")
    group.add_argument(
        "--preset",
        choices=[*PRESETS, "none"],
        default=ABSENT,
        metavar="NAME",
        help="published settings: %(choices)s",
    )
    _add_parameters(group, OF_FITS)
    add_set(group, RULES, "DenseSegmenter")


def add_model_options(parser: Parser) -> None:
    """Add what a model needs to run."""
    group = parser.add_argument_group("where it runs")
    add_weights(group)
    group.add_argument(
        "--device",
        default=ABSENT,
        metavar="NAME",
        help="auto, cpu or cuda (default: auto)",
    )


def add_prediction_options(parser: Parser) -> None:
    """Add what may differ between predictions of one model."""
    group = parser.add_argument_group("how images are labelled")
    _add_parameters(group, HOW_LABELLED)


def _add_parameters(
    group: argparse._ArgumentGroup, helps: dict[str, tuple[str, str]]
) -> None:
    for name, (metavar, text) in helps.items():
        rules = RULES[name]
        if "boolean" in rules:
            action = argparse.BooleanOptionalAction
            group.add_argument(
                option_of(name), action=action, default=ABSENT, help=text
            )
            continue
        words = choices_of(rules)
        if words and None in rules:
            words.append("none")
        group.add_argument(
            option_of(name),
            type=_scales if name == "scales" else converter(rules),
            default=ABSENT,
            metavar=metavar,
            help=f"{text}: {', '.join(words)}" if words else text,
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
    how = {name: given[key] for key, name in OF_LOADING.items() if key in given}
    model: DenseSegmenter = load(arguments.model, **how)
    changes = {name: given[name] for name in OF_PREDICTIONS if name in given}
    model.set_params(**changes)
    return model


def options_of_fits(arguments: argparse.Namespace) -> list[str]:
    """Options that were given and say how to fit, as users know them."""
    others = (*OF_PREDICTIONS, *OF_LOADING)
    found = ["--preset"] if "preset" in arguments else []
    for name, value in _given(arguments).items():
        if name in others:
            continue
        if name not in arguments:
            found.append(f"--set {name}")
        else:
            found.append(option_of(f"no_{name}" if value is False else name))
    return found


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Parameters that were given."""
    return given_parameters(arguments, RULES)


def _scales(text: str) -> tuple[float, ...]:
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 0.75,1,1.25")
    return scales
