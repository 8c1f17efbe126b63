"""Models in files: how commands load them, and ``info``, ``export`` and ``report``."""

from __future__ import annotations

import copy
import json
import sys
import textwrap
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from sklearn.pipeline import Pipeline

from neuraleig import DenseSegmenter, NeuralSpectralEmbedding, load
from neuraleig._cli._command import UsageError
from neuraleig._cli._numbers import preferred
from neuraleig._cli._options import (
    Columns,
    Names,
    check_output,
    file_named,
    one_of,
)
from neuraleig._cli._preparation import is_prepared, mixed_rows
from neuraleig._tables import Kinds, MixedRows, MixedTable, Table, chosen_columns
from neuraleig.persistence import ModelDescription, describe
from neuraleig.persistence._description import changed_parameters
from neuraleig.segmentation.backbones._feature_cache import SHARED

# Eigenvalues and names that info shows; --json has all of them.
SHOWN = 12
WIDTH = 79
TITLE = 19


@dataclass(frozen=True)
class RowModel:
    """A model of rows, and the columns of a file that it takes.

    ``estimator`` has no names of features: scikit-learn would warn of rows without.
    """

    estimator: Any
    feature_names: tuple[str, ...] | None
    n_clusters: int
    table: Table


def load_row_model(
    path: Path,
    device: str,
    columns: Columns,
    data: str,
    *without: str | None,
    with_clusters: bool = False,
    keep: Names = None,
    skips: bool = False,
) -> RowModel:
    """Load a model, and open its rows without some columns.

    Columns to keep, and rows to skip, make a table of cells. Refuses a model of images,
    or one that lacks clusters.
    """
    description = check_holds_rows(path, with_clusters=with_clusters)
    estimator = load(path, device=device)
    n_clusters = description.n_clusters or 0
    if isinstance(estimator, Pipeline) and is_prepared(estimator):
        rows = _prepared_rows(estimator, columns, data, keep, skips)
        return RowModel(estimator[-1], rows.feature_names, n_clusters, rows)
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        names = tuple(names)
    # Without names, columns that are kept would be taken for features.
    unnamed = (keep or ()) if names is None else ()
    table = columns.table(data, *without, *unnamed)
    table = table.matched(names, estimator.n_features_in_)
    before = estimator[:-1] if isinstance(estimator, Pipeline) else None
    if before is not None:
        estimator = estimator[-1]
    elif names is not None:
        del estimator.feature_names_in_
    if keep or skips or before is not None:
        n_features = estimator.n_features_in_
        table = MixedRows(
            _mixed(table, keep, skips=skips, may_lack=before is not None),
            names if before is None else None,
            n_features,
            partial(_numbers_of, before, table.n_features),
        )
    return RowModel(estimator, table.feature_names, n_clusters, table)


def _mixed(table: Table, keep: Names, *, skips: bool, may_lack: bool) -> MixedTable:
    """Columns of numbers of a table, beside those that are kept."""
    kept = tuple(chosen_columns(table.source, keep)) if keep else ()
    kinds = Kinds(tuple(table.columns), (), kept, may_lack=may_lack)
    return MixedTable(table.source, kinds, skips=skips)


def _numbers_of(before: Pipeline | None, n_columns: int, cells: Any) -> Any:  # noqa: ANN401
    """Rows that an estimator takes, of cells of numbers in front of others."""
    rows = cells[:, :n_columns].astype(np.float64)
    if before is None:
        return rows
    with warnings.catch_warnings():
        # Names were matched.
        warnings.simplefilter("ignore", UserWarning)
        return before.transform(rows)


def _prepared_rows(
    model: Pipeline, columns: Columns, data: str, keep: Names, skips: bool
) -> MixedRows:
    """Rows of a file whose columns a model prepares."""
    check_none_chosen(columns)
    return mixed_rows(model, columns.source(data), keep, skips=skips)


def check_none_chosen(columns: Columns) -> None:
    """Refuse a choice of columns for a model that prepares them."""
    if columns.columns or columns.drop:
        raise UsageError(
            "--columns and --drop are for models of columns as they are; this one "
            "takes its columns by their names"
        )


def check_holds_rows(path: Path, *, with_clusters: bool) -> ModelDescription:
    """Describe a model; refuse one of images, or one that lacks clusters."""
    # Before anything is made: a backbone may have to be fetched.
    description = describe(path)
    kind = description.class_name
    if kind == DenseSegmenter.__name__:
        raise ValueError(
            f"{path} holds a {kind}, which labels images; use neuraleig segment"
        )
    if with_clusters and kind == NeuralSpectralEmbedding.__name__:
        raise ValueError(
            f"{path} holds a {kind}, which has no clusters; use neuraleig transform, "
            "or a fit without --embedding"
        )
    return description


def load_segmenter(path: Path, device: str, weights: str | None) -> DenseSegmenter:
    """Load a model of images; refuse one of rows."""
    kind = describe(path).class_name
    if kind != DenseSegmenter.__name__:
        raise ValueError(
            f"{path} holds a {kind}, which labels rows; pass the file of a "
            "DenseSegmenter"
        )
    model: DenseSegmenter = load(path, device=device, weights=weights)
    return model


def for_predictions(
    model: DenseSegmenter, feature_cache: str = SHARED
) -> DenseSegmenter:
    """Copy of a model, with its fitted parts, that shows how far predictions are."""
    cache = None if feature_cache == "none" else feature_cache
    made: DenseSegmenter = copy.copy(model).set_params(feature_cache=cache, verbose=1)
    return made


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


def export(
    model: Path,
    *,
    output: Annotated[Path, file_named("an ONNX model", ".onnx")],
    dtype: Annotated[str, one_of(("float32", "float64", "uint8"))] = "float32",
    include_backbone: bool = False,
    image_size: tuple[int, int] | None = None,
) -> None:
    """Write a model as ONNX, for programs without torch and this library.

    Needs the extra onnx.

    Parameters
    ----------
    output : FILE
        ONNX file.
    dtype : NAME
        Type of rows, or of images: float32, float64 or uint8.
    include_backbone
        Let a segmenter take images, not features.
    image_size : H W
        Size of these images, where the backbone needs one.

    Examples
    --------
    neuraleig export model.safetensors -o model.onnx --dtype float64
    """
    # Later: it imports what nothing else needs.
    from neuraleig import export_onnx

    check_output(output, model)
    export_onnx(
        load(model, device="cpu"),
        output,
        dtype=cast(Any, dtype),
        include_backbone=include_backbone,
        image_size=image_size,
    )
    sys.stdout.write(f"{output}: {output.stat().st_size} bytes\n")
