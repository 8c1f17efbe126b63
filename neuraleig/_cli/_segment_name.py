"""``neuraleig segment name``: what clusters are called."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TextIO

from neuraleig import DenseSegmenter, save
from neuraleig._cli._arguments import (
    Commands,
    Parser,
    add_command,
    check_output,
    file_named,
)
from neuraleig._cli._models import MODEL_SUFFIX
from neuraleig._cli._segment_options import (
    add_model_options,
    loaded_model,
)

DESCRIPTION = """\
Name clusters, make one of several, and draw a page of what they look like.

Numbers are those of MODEL. Names are given first: a union takes the first name
that a member has. The clusters that are left are numbered anew, and listed.
"""
EXAMPLES = """\
  neuraleig segment name model.safetensors --sheet photos sheet.png
  neuraleig segment name m.safetensors --name 3=road --name 5=sky --merge 1,4
  neuraleig segment name model.safetensors --names names.json --merge-equal
                                   with names.json: {"3": "road", "5": "sky"}
"""


def add_name(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(
        commands, "name", "name, merge and show clusters", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file")
    _add_changes(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=file_named("a model", MODEL_SUFFIX),
        metavar="MODEL2",
        help="where the model goes (default: MODEL, which is replaced)",
    )
    parser.add_argument(
        "--sheet",
        nargs=2,
        metavar=("FOLDER", "PNG"),
        help="draw the clusters in images of a folder",
    )
    add_model_options(parser)
    parser.set_defaults(run=_name)


def _add_changes(parser: Parser) -> None:
    """Add what is to be named and united."""
    parser.add_argument(
        "--names", type=Path, metavar="FILE", help="JSON of names by cluster"
    )
    parser.add_argument(
        "--name",
        dest="pairs",
        action="append",
        type=_pair,
        default=[],
        metavar="N=NAME",
        help="name of a cluster; no name removes it",
    )
    parser.add_argument(
        "--merge",
        action="append",
        type=_group,
        default=[],
        metavar="N,N",
        help="clusters to be united; again for more",
    )
    parser.add_argument(
        "--merge-equal",
        action="store_true",
        help="unite clusters of equal names, after the names are given",
    )


def _name(arguments: argparse.Namespace, out: TextIO) -> int:
    output = arguments.output or arguments.model
    merges = arguments.merge or arguments.merge_equal
    changes = arguments.names or arguments.pairs or merges
    if changes or arguments.output:
        check_output(output, "--output")
    names = _names(arguments.names) | dict(arguments.pairs)
    if arguments.sheet is not None:
        check_output(Path(arguments.sheet[1]), "--sheet")
    model = loaded_model(arguments)
    # All of it is refused before any of it is saved.
    model.name_clusters(names).merge_clusters(arguments.merge)
    if arguments.merge_equal:
        model.merge_clusters(_equal_names(model.cluster_names_))
    shares = None
    if arguments.sheet is not None:
        sheet = model.contact_sheet(arguments.sheet[0])
        sheet.save(arguments.sheet[1])
        shares = sheet.shares
    if changes or arguments.output:
        save(model, output)
    out.writelines(_lines(model, shares))
    return 0


def _equal_names(names: dict[int, str]) -> list[list[int]]:
    """Clusters that share a name, group by group."""
    groups: dict[str, list[int]] = {}
    for cluster, name in names.items():
        groups.setdefault(name, []).append(cluster)
    return list(groups.values())


def _lines(model: DenseSegmenter, shares: Any) -> list[str]:  # noqa: ANN401
    """Number, share of the pixels where it is known, and name of every cluster."""
    lines = []
    for cluster in range(model.n_clusters_):
        share = "" if shares is None else f"  {100 * shares[cluster]:6.2f} %"
        name = model.cluster_names_.get(cluster, "-")
        lines.append(f"{cluster:4d}{share}  {name}\n")
    return lines


def _names(path: Path | None) -> dict[int, str]:
    """Names by cluster of a JSON file."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {int(cluster): name for cluster, name in found.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{path} must hold names by cluster in JSON, such as {{"3": "road"}} '
            f"({error})"
        ) from error


def _pair(text: str) -> tuple[int, str]:
    cluster, equals, name = text.partition("=")
    if not equals or not cluster.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not N=NAME, such as 3=road")
    return int(cluster), name.strip()


def _group(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) < 2 or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are not clusters such as 1,4")
    return [int(part) for part in parts]
