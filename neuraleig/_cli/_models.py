"""Models in files: how commands load them, and ``export``."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
from sklearn.pipeline import Pipeline

from neuraleig import DenseSegmenter, load
from neuraleig._cli._columns import Columns
from neuraleig._cli._command import UsageError
from neuraleig._cli._frames import Frames, fills_gaps, takes_frames
from neuraleig._cli._info import check_holds_images, check_holds_rows
from neuraleig._cli._options import (
    Names,
    check_output,
)
from neuraleig._cli._preparation import is_prepared, mixed_rows
from neuraleig._cli._readers import file_named, one_of
from neuraleig._tables import Kinds, MixedRows, MixedTable, Table, chosen_columns
from neuraleig._terminal import live_bar
from neuraleig.segmentation.backbones._feature_cache import SHARED


@dataclass(frozen=True)
class RowModel:
    """A model of rows, and the columns of a file that it takes.

    ``estimator`` has no names of features: scikit-learn would warn of rows without.
    """

    estimator: Any
    feature_names: tuple[str, ...] | None
    n_clusters: int
    table: Table

    def parts(self, text: str = "neuraleig: rows") -> Iterator[Any]:
        """Rows part by part, under a bar."""
        with live_bar(text, self.table.source.n_rows, "rows") as advance:
            for rows in self.table:
                yield rows
                advance(len(rows))


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
    if isinstance(estimator, Pipeline) and takes_frames(estimator):
        rows = _framed_rows(estimator, columns.table(data, *without), keep, skips)
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
        table = MixedRows(
            _mixed(table, keep, skips=skips, may_lack=fills_gaps(before)),
            names if before is None else None,
            estimator.n_features_in_,
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


def _framed_rows(model: Pipeline, table: Table, keep: Names, skips: bool) -> MixedRows:
    """Rows of a table that a pipeline takes as data frames, as its last step does."""
    frames, before = Frames(model, table), model[:-1]
    kept = tuple(chosen_columns(table.source, keep)) if keep else ()
    kinds = replace(frames.kinds, kept=kept)
    return MixedRows(
        MixedTable(table.source, kinds, skips=skips),
        None,
        model[-1].n_features_in_,
        lambda cells: before.transform(frames.frame(cells)),
    )


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


def load_segmenter(path: Path, device: str, weights: str | None) -> DenseSegmenter:
    """Load a model of images; refuse one of rows."""
    check_holds_images(path)
    model: DenseSegmenter = load(path, device=device, weights=weights)
    return model


def for_predictions(
    model: DenseSegmenter, feature_cache: str = SHARED
) -> DenseSegmenter:
    """Copy of a model, with its fitted parts, that shows how far predictions are."""
    cache = None if feature_cache == "none" else feature_cache
    made: DenseSegmenter = copy.copy(model).set_params(feature_cache=cache, verbose=1)
    return made


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
