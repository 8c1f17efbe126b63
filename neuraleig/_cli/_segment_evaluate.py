"""``neuraleig segment evaluate``: scores on labelled sets, as published."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from neuraleig import DenseSegmenter, save
from neuraleig._cli._arguments import (
    Commands,
    Parser,
    add_command,
    add_verbosity,
    check_output,
    file_named,
)
from neuraleig._cli._bar import bar
from neuraleig._cli._models import MODEL_SUFFIX
from neuraleig._cli._segment_options import (
    add_fit_options,
    add_model_options,
    add_prediction_options,
    loaded_model,
    new_segmenter,
    options_of_fits,
)
from neuraleig._words import count_text
from neuraleig.segmentation import (
    PROTOCOLS,
    Evaluation,
    Protocol,
    SegmentationDataset,
    evaluate,
    load_dataset,
)
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

DESCRIPTION = """\
Score a model on a labelled set: every cluster is given the class that it
covers best, and the classes are compared with those of the masks.

Without a model, one is fitted first to the images of the train split, with the
published settings for that set if there are some, so that one command makes a
row of the published tables. The fit looks at no label. Images are seen in the
windows of the protocol, where it has some for the set.
"""
EXAMPLES = """\
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
  neuraleig segment evaluate --dataset cityscapes --root DIR
                                   a row of the published tables
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid \\
      --map-split train            find classes of clusters on other images
  neuraleig segment evaluate --layouts
                                   folders in which the sets are expected
"""


class _Layouts(argparse.Action):
    """Show the folders of all sets, and leave."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        for name, known in DATASETS.items():
            sys.stdout.write(f"{name}: {len(known.class_names)} classes\n")
            sys.stdout.writelines(f"  {line}\n" for line in known.layout.splitlines())
        parser.exit(0)


def add_evaluate(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "evaluate", "score on a labelled set", DESCRIPTION, EXAMPLES
    )
    parser.add_argument(
        "model", nargs="?", type=Path, metavar="MODEL", help="model file"
    )
    _add_dataset(parser)
    parser.add_argument(
        "--save",
        type=file_named("a model", MODEL_SUFFIX),
        metavar="MODEL",
        help="keep the model that is fitted",
    )
    add_verbosity(parser)
    add_fit_options(parser)
    add_prediction_options(parser)
    add_model_options(parser)
    parser.set_defaults(run=_evaluate)


def _add_dataset(parser: Parser) -> None:
    parser.add_argument(
        "--dataset",
        required=True,
        choices=list(DATASETS),
        metavar="NAME",
        help="%(choices)s",
    )
    parser.add_argument(
        "--root", required=True, type=Path, metavar="DIR", help="its folder"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="val", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--map-split",
        choices=SPLITS,
        help="find classes of clusters on this split (default: the scored one)",
    )
    parser.add_argument(
        "--protocol",
        choices=list(PROTOCOLS),
        help="320 x 320 crops, or whole images (default: the published one)",
    )
    parser.add_argument(
        "--how",
        choices=list(MATCHINGS),
        default="majority",
        help="many clusters to a class, or one to one (default: %(default)s)",
    )
    parser.add_argument(
        "--layouts", action=_Layouts, nargs=0, help="show the folders of the sets"
    )


def _evaluate(arguments: argparse.Namespace, out: TextIO) -> int:
    _check(arguments)
    scored = _dataset(arguments, arguments.split)
    mapped = None
    if arguments.map_split not in (None, arguments.split):
        mapped = _dataset(arguments, arguments.map_split)
    model = _model(arguments)
    _, published = PUBLISHED.get(arguments.dataset, UNPUBLISHED)
    protocol = PROTOCOLS[arguments.protocol or published].for_dataset(scored.name)
    if protocol.window_size is not None:
        model = model.with_windows(protocol.window_size, protocol.stride)
    n_images = len(scored) + (0 if mapped is None else len(mapped))
    with _with_bar(model.predict, n_images) as predict:
        found = evaluate(
            predict,
            scored,
            n_clusters=model.n_clusters_,
            protocol=protocol,
            how=arguments.how,
            map_dataset=mapped,
        )
    out.write(_report(found, scored, mapped, model, arguments.how))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that say nothing of a model that is there."""
    unused = options_of_fits(arguments)
    if arguments.model is not None and (unused or arguments.save):
        named = unused[0] if unused else "--save"
        arguments.refuse(f"{named} is for a fit, and MODEL is fitted already")
    if arguments.save is not None:
        check_output(arguments.save, "--save")


def _dataset(arguments: argparse.Namespace, split: str) -> SegmentationDataset:
    try:
        return load_dataset(arguments.dataset, arguments.root, split)
    except (FileNotFoundError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        reason = str(error).partition("\n")[0].removesuffix(".")
        raise kind(
            f"{reason}; neuraleig segment evaluate --layouts shows what is expected"
        ) from error


def _model(arguments: argparse.Namespace) -> DenseSegmenter:
    if arguments.model is not None:
        return loaded_model(arguments)
    train = _dataset(arguments, "train")
    preset, _ = PUBLISHED.get(arguments.dataset, UNPUBLISHED)
    model = new_segmenter(arguments, preset).fit(train.images)
    if arguments.save is not None:
        save(model.set_params(verbose=0), arguments.save)
    return model


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
    stride = "" if model.stride is None else f" every {model.stride}"
    return f"protocol {protocol.name}, windows of {model.window_size} pixels{stride}"


@contextmanager
def _with_bar(
    predict: Callable[[Any], Any], n_images: int
) -> Iterator[Callable[[Any], Any]]:
    """Show a bar that counts calls."""
    with bar(n_images, "evaluate", "image") as advance:

        def counted(image: Any) -> Any:  # noqa: ANN401 - as predict has it
            labels = predict(image)
            advance(1)
            return labels

        yield counted
