"""``neuraleig report``: a page about a model and the rows or images of a file."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from neuraleig import DenseSegmenter, load
from neuraleig._cli._columns import Columns
from neuraleig._cli._command import UsageError
from neuraleig._cli._frames import Frames, takes_frames
from neuraleig._cli._models import (
    check_none_chosen,
    for_predictions,
    load_row_model,
    load_segmenter,
)
from neuraleig._cli._options import Positive, Seed, check_output
from neuraleig._cli._preparation import is_prepared, raw_rows
from neuraleig._cli._readers import file_named
from neuraleig._tables import STANDARD_INPUT, chosen_columns
from neuraleig._terminal import live_bar
from neuraleig.persistence import describe
from neuraleig.segmentation.backbones._feature_cache import SHARED


@dataclass(frozen=True)
class Content:
    """Content of a page, as ``write_report`` takes it.

    Parameters
    ----------
    title : TEXT
        Heading.
    date : TEXT
        Date below it (default: none; equal models and data give equal files).
    n_exemplars : N
        Typical rows, or crops, of every cluster.
    n_features : N
        Features of every cluster.
    max_rows : N
        Rows among which typical ones are searched.
    max_images : N
        Images that are read.
    random_state : N
        Seed of the rows or images that are drawn of more.
    """

    title: str | None = None
    date: str | None = None
    n_exemplars: Positive = 6
    n_features: Positive = 10
    max_rows: Positive = 10_000
    max_images: Positive = 200
    random_state: Seed = 0


@dataclass(frozen=True)
class Texts:
    """Texts and names of the rows.

    Parameters
    ----------
    texts : FILE
        Texts of the rows, one per line, for keywords and near-duplicates.
    text_column : NAME
        Column of DATA with these texts, instead of a file.
    row_names : FILE
        Names of the rows, one per line.
    name_column : NAME
        Column of DATA with these names, such as an id.
    """

    texts: Path | None = None
    text_column: str | None = None
    row_names: Path | None = None
    name_column: str | None = None

    @property
    def columns(self) -> tuple[str | None, str | None]:
        """Columns of DATA that are no features."""
        return self.text_column, self.name_column

    @property
    def given(self) -> list[str]:
        """Options that were given."""
        return [
            f"--{name.replace('_', '-')}"
            for name, value in vars(self).items()
            if value is not None
        ]

    def values(self, columns: Columns, data: str) -> dict[str, Iterable[Any] | None]:
        """Values of the rows by parameters of ``write_report``."""
        if any(self.columns) and data == STANDARD_INPUT:
            raise UsageError(
                "--text-column and --name-column read DATA a second time; pass a file"
            )
        for file, column in (("texts", "text_column"), ("row_names", "name_column")):
            if getattr(self, file) is not None and getattr(self, column) is not None:
                options = [f"--{name.replace('_', '-')}" for name in (file, column)]
                raise UsageError(f"{' and '.join(options)} exclude each other")

        def chosen(file: Path | None, column: str | None) -> Iterator[Any] | None:
            if file is not None:
                return _lines(file)
            return None if column is None else _entries(columns, data, column)

        return {
            "texts": chosen(self.texts, self.text_column),
            "row_names": chosen(self.row_names, self.name_column),
        }


def _lines(path: Path) -> Iterator[str]:
    """Lines of a text file, without their ends."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            yield line.rstrip("\r\n")


def _entries(columns: Columns, data: str, column: str) -> Iterator[Any]:
    """Cells of one column of a file, empty ones included."""
    source = columns.source(data)
    places = chosen_columns(source, [column])
    for rows, _ in source.cells(places):
        yield from (cell for (cell,) in rows)


class _Shown(NamedTuple):
    """Model, data, and names of columns, for the report."""

    model: Any
    data: Any
    feature_names: Sequence[str] | None = None


def _rows(
    model: Path, device: str, columns: Columns, data: str, without: Iterable[str | None]
) -> _Shown:
    """Rows of a file as a model takes them; a pipeline takes them unprepared."""
    if not describe(model).steps:
        loaded = load_row_model(model, device, columns, data, *without)
        names = loaded.feature_names or loaded.table.feature_names
        return _Shown(loaded.estimator, loaded.table, names)
    pipeline = load(model, device=device)
    if is_prepared(pipeline):
        check_none_chosen(columns)
        return _Shown(pipeline, *raw_rows(pipeline, columns.source(data)))
    if takes_frames(pipeline):
        return _Shown(pipeline, iter(Frames(pipeline, columns.table(data, *without))))
    names = getattr(pipeline, "feature_names_in_", None)
    names = None if names is None else tuple(names)
    table = columns.table(data, *without).matched(names, pipeline.n_features_in_)
    return _Shown(pipeline, table, names or table.feature_names)


def report(
    model: Path,
    data: str,
    *,
    output: Annotated[Path, file_named("a page", ".html")],
    content: Content,
    texts: Texts,
    columns: Columns,
    device: str = "auto",
    weights: str | None = None,
    feature_cache: str | None = None,
) -> None:
    """Write a page about a model: one HTML file that needs nothing else.

    It begins with the sizes of the clusters, what tells them apart, and typical rows of
    each. For images it is a sheet on which clusters are named. Needs the extra plot.

    Parameters
    ----------
    data : DATA
        Rows, as of predict, or a folder of images.
    output : FILE
        HTML file.

    Examples
    --------
    neuraleig report flowers.safetensors flowers.csv -o report.html
    neuraleig report m.safetensors rows.npy -o r.html --date 2025-01-31
    neuraleig report m.safetensors vectors.npy --texts texts.txt -o report.html
    neuraleig report m.safetensors customers.csv --name-column id -o r.html
    neuraleig report segments.safetensors photos -o report.html
    neuraleig segment name segments.safetensors --names names.json --merge-equal
                                     with names.json downloaded from the page
    """
    # Later: drawing takes a second to import, and only this command needs it.
    from neuraleig.report import write_report

    check_output(output, data, model)
    if describe(model).class_name == DenseSegmenter.__name__:
        given = columns.given + texts.given
        if given:
            raise UsageError(f"{', '.join(given)}: images are no rows of a file")
        segmenter = load_segmenter(model, device, weights)
        shown = _Shown(for_predictions(segmenter, feature_cache or SHARED), data)
        beside: dict[str, Any] = {}
    else:
        if weights is not None or feature_cache is not None:
            option = "--weights" if feature_cache is None else "--feature-cache"
            raise UsageError(f"{option}: only models of images have a backbone")
        beside = texts.values(columns, data)
        shown = _rows(model, device, columns, data, texts.columns)
    # Images have a bar of their own.
    with (
        live_bar("neuraleig: report", shown=shown.data is not data),
        warnings.catch_warnings(),
    ):
        # Names of columns were matched with those of the model.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        options = {"feature_names": shown.feature_names, **beside, **vars(content)}
        write_report(shown.model, shown.data, output, **options)
    sys.stdout.write(f"{output}: {output.stat().st_size} bytes\n")
