"""``neuraleig export``: a model for programs without torch."""

from __future__ import annotations

import argparse
from typing import TextIO

from neuraleig import load
from neuraleig._cli._arguments import Commands, Parser, add_command, file_named
from neuraleig._cli._models import add_model
from neuraleig._cli._table_arguments import check_result

DESCRIPTION = """\
Write a model as ONNX, for programs without torch and this library. It needs the
extra onnx.
"""
EXAMPLES = """\
  neuraleig export model.safetensors -o model.onnx --dtype float64
"""


def add_export(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "export", "write a model as ONNX", DESCRIPTION, EXAMPLES
    )
    add_model(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=file_named("a model for other programs", ".onnx"),
        required=True,
        metavar="FILE",
        help="file of ONNX",
    )
    parser.add_argument(
        "--dtype",
        choices=["float32", "float64", "uint8"],
        default="float32",
        help="type of rows, or of images (default: %(default)s)",
    )
    parser.add_argument(
        "--include-backbone",
        action="store_true",
        help="let a segmenter begin with images, not with features",
    )
    parser.add_argument(
        "--image-size",
        nargs=2,
        type=int,
        metavar=("H", "W"),
        help="size of these images, where the backbone needs one",
    )
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace, out: TextIO) -> int:
    # Later: it imports what nothing else needs.
    from neuraleig import export_onnx

    check_result(arguments.output, arguments.model)
    size = arguments.image_size
    export_onnx(
        load(arguments.model, device="cpu"),
        arguments.output,
        dtype=arguments.dtype,
        include_backbone=arguments.include_backbone,
        image_size=None if size is None else tuple(size),
    )
    out.write(f"{arguments.output}: {arguments.output.stat().st_size} bytes\n")
    return 0
