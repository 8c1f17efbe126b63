"""``neuraleig info``: what the file of a model says."""

from __future__ import annotations

import argparse
import json
import textwrap
from dataclasses import asdict
from typing import Any, TextIO

from neuraleig._cli._arguments import Commands, Parser, add_command
from neuraleig._cli._models import add_model
from neuraleig._words import suggestion
from neuraleig.persistence import ModelDescription, describe
from neuraleig.persistence._description import changed_parameters

DESCRIPTION = """\
Say what is in the file of a model, without making the model.
"""
EXAMPLES = """\
  neuraleig info model.safetensors
  neuraleig info model.safetensors --json
"""
# Eigenvalues and names that are shown; --json has all of them.
SHOWN = 12
WIDTH = 79
TITLE = 19


def add_info(commands: Commands[Parser]) -> None:
    """Add the command."""
    parser = add_command(commands, "info", "describe a model", DESCRIPTION, EXAMPLES)
    add_model(parser)
    parser.add_argument("--json", action="store_true", help="write JSON, with all")
    parser.set_defaults(run=_info)


def _info(arguments: argparse.Namespace, out: TextIO) -> int:
    found = describe(arguments.model)
    if arguments.json:
        out.write(json.dumps(asdict(found), indent=1) + "\n")
    else:
        out.write(f"{arguments.model}: {_printable(found.class_name)}\n")
        out.writelines(_line(title, text) for title, text in _entries(found).items())
    return 0


def _entries(found: ModelDescription) -> dict[str, str]:
    """What is said, by title."""
    entries = {
        "features": _features(found),
        "clusters": "" if found.n_clusters is None else str(found.n_clusters),
        "suggested clusters": str(suggestion(found.suggested_n_clusters) or ""),
        "eigenfunctions": str(found.n_components),
        "eigenvalues": _numbers(found.eigenvalues),
        "of the graph": _numbers(found.graph_eigenvalues),
        "of the fit": _listed(
            {name.removesuffix("_"): value for name, value in found.fit.items()}
        ),
        "numbers in file": str(found.n_weights),
        "saved by": ", ".join(f"{name} {v}" for name, v in found.versions.items()),
        "parameters": _listed(changed_parameters(found)) or "all default",
    }
    return {title: text for title, text in entries.items() if text}


def _features(found: ModelDescription) -> str:
    if found.n_features is None:
        return ""
    if found.feature_names is None:
        return str(found.n_features)
    return f"{found.n_features}: {_few(found.feature_names)}"


def _numbers(values: list[float]) -> str:
    return _few([f"{value:.4f}" for value in values])


def _few(words: list[str]) -> str:
    more = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:  # noqa: ANN401 - any parameter
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(title: str, text: str) -> str:
    lines = textwrap.wrap(
        _printable(text),
        WIDTH,
        initial_indent=f"{title:{TITLE}} ",
        subsequent_indent=" " * (TITLE + 1),
        break_on_hyphens=False,
    )
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    """Text of a file without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
