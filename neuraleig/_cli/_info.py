"""``neuraleig info``: what is in the file of a model."""

from __future__ import annotations

import json
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neuraleig._cli._numbers import preferred
from neuraleig.persistence import ModelDescription, describe
from neuraleig.persistence._description import changed_parameters

# Eigenvalues and names that info shows; --json has all of them.
SHOWN = 12
WIDTH = 79
TITLE = 19
# Classes of models of images, and of those without clusters.
SEGMENTER, EMBEDDING = "DenseSegmenter", "NeuralSpectralEmbedding"


def info(model: Path, *, json_: bool = False) -> None:
    """Describe the file of a model, without making the model.

    Examples
    --------
    neuraleig info model.safetensors
    neuraleig info model.safetensors --json
    """
    found = describe(model)
    if json_:
        sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n")
        return
    sys.stdout.write(f"{model}: {_printable(found.class_name)}\n")
    sys.stdout.writelines(
        _line(*entry) for entry in _entries(found).items() if entry[1]
    )


def _entries(found: ModelDescription) -> dict[str, str]:
    """Lines of the description, by title."""
    features = "" if found.n_features is None else str(found.n_features)
    names = sorted(found.cluster_names.items())
    if found.feature_names is not None:
        features = f"{features}: {_few(found.feature_names)}"
    return {
        "features": features,
        "steps": ", ".join([*found.steps, found.class_name]) if found.steps else "",
        "clusters": "" if found.n_clusters is None else str(found.n_clusters),
        "names of clusters": _few([f"{c}: {n}" for c, n in names]),
        "preferred clusters": preferred(found.curve),
        "eigenfunctions": str(found.n_components),
        "eigenvalues": _few([f"{value:.4f}" for value in found.eigenvalues]),
        "of the graph": _few([f"{value:.4f}" for value in found.graph_eigenvalues]),
        "of the fit": _listed(
            {name.removesuffix("_"): value for name, value in found.fit.items()}
        ),
        "numbers in file": str(found.n_weights),
        "saved by": ", ".join(f"{name} {v}" for name, v in found.versions.items()),
        "parameters": _listed(changed_parameters(found)) or "all default",
    }


def _few(words: list[str]) -> str:
    more = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


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


def check_holds_rows(path: Path, *, with_clusters: bool) -> ModelDescription:
    """Describe a model; refuse one of images, or one that lacks clusters."""
    # Before anything is made: a backbone may have to be fetched.
    description = describe(path)
    kind = description.class_name
    if kind == SEGMENTER:
        raise ValueError(
            f"{path} holds a {kind}, which labels images; use neuraleig segment"
        )
    if with_clusters and kind == EMBEDDING:
        raise ValueError(
            f"{path} holds a {kind}, which has no clusters; use neuraleig transform, "
            "or a fit without --embedding"
        )
    return description


def check_holds_images(path: Path) -> None:
    """Refuse a model of rows."""
    kind = describe(path).class_name
    if kind != SEGMENTER:
        raise ValueError(
            f"{path} holds a {kind}, which labels rows; pass the file of a {SEGMENTER}"
        )
