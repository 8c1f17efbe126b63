"""Commands for files of rows: ``fit``, ``predict`` and ``transform``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    ScaleWarning,
    save,
)
from neuraleig._cli._columns import Columns
from neuraleig._cli._command import UsageError
from neuraleig._cli._models import RowModel, load_row_model
from neuraleig._cli._numbers import best_of
from neuraleig._cli._options import (
    ModelName,
    Verbosity,
    check_output,
)
from neuraleig._cli._preparation import PREPARED, Preparation
from neuraleig._cli._readers import Reader, file_named
from neuraleig._cli._row_columns import PredictedColumns, with_warning
from neuraleig._cli._settings import DEFAULTS, ROWS
from neuraleig._tables import (
    FORMATS_WRITTEN,
    STANDARD_INPUT,
    MixedRows,
    MixedTable,
    Table,
    check_kinds,
    write_csv,
    write_npy,
    write_parquet,
    write_text,
)
from neuraleig._terminal import live_bar, write_line
from neuraleig._words import choice_text, count_text
from neuraleig.affinity import make_affinity
from neuraleig.persistence import describe
from neuraleig.training._checkpoint import clearing_deferred

Result = Annotated[Path | None, Reader("result", (list(FORMATS_WRITTEN),))]


@dataclass(frozen=True)
class Results:
    """What is written about the rows of the fit, beside the model.

    Parameters
    ----------
    predict : FILE
        Label the rows, into a .csv, .npy or .parquet file, as the command predict does.
    report : HTML
        Write a page about the model and its rows. Needs the extra plot.
    """

    predict: Result = None
    report: Annotated[Path | None, file_named("a page", ".html")] = None

    def check(self, data: str, *, embedding: bool) -> None:
        """Refuse what cannot be written, before the fit."""
        given = [f"--{name}" for name, value in vars(self).items() if value is not None]
        if given and data == STANDARD_INPUT:
            raise UsageError(f"{given[0]} reads DATA once more; pass a file")
        if embedding and self.predict is not None:
            raise UsageError("--predict is for clusters, and --embedding finds none")
        check_output(self.predict, data, option="--predict")
        check_output(self.report, data, option="--report")
        if self.report is not None:
            # Whether what it needs is installed.
            import neuraleig.report  # noqa: F401

    def write(self, model: Path, data: str, columns: Columns) -> None:
        """Write what was asked for, by the model in its file."""
        if self.predict is not None:
            written = PredictedColumns()
            predict(model, data, output=self.predict, written=written, columns=columns)
        if self.report is not None:
            # Later: drawing takes a second to import.
            from neuraleig._cli._report import Content, Texts, report

            report(
                model,
                data,
                output=self.report,
                content=Content(),
                texts=Texts(),
                columns=columns,
            )


def fit(
    data: str,
    *,
    output: ModelName,
    embedding: bool = False,
    verbosity: Verbosity,
    columns: Columns,
    preparation: Preparation,
    results: Results,
    group_column: str | None = None,
    align_to: Path | None = None,
    parameters: Annotated[dict[str, Any], ROWS],
) -> None:
    """Learn clusters from the rows of a file, and save a model.

    A model scales all columns by one unit: add --scale where they have different ones.
    What is done to the columns is part of the model, and done to later rows as well.

    Parameters
    ----------
    output : MODEL
        Model file.
    embedding
        Fit NeuralSpectralEmbedding: eigenfunctions without clusters.

    Examples
    --------
    neuraleig fit rows.npy -o model.safetensors --n-clusters 3
    neuraleig fit flowers.csv -o flowers.safetensors --n-clusters 3 --drop species
    neuraleig fit flowers.csv -o s.safetensors --scale --categorical species
    neuraleig fit rows.npy -o model --n-clusters 3 --predict l.csv --report r.html
    neuraleig fit rows.npy -o map.safetensors --embedding --n-components 2
    neuraleig fit rows.npy -o m.safetensors --affinity rbf --training.max-iter 5
    neuraleig fit rows.npy -o new --n-clusters 3 --align-to model.safetensors
    """
    if embedding and align_to is not None:
        raise UsageError("--align-to is for clusters, and --embedding finds none")
    if preparation.is_asked and align_to is not None:
        raise UsageError(
            "--align-to takes columns as they are; leave out --scale, --impute, "
            "--categorical and --keep"
        )
    estimator = new_estimator(embedding, {"verbose": verbosity.level, **parameters})
    check_output(output, data)
    results.check(data, embedding=embedding)
    # A model that cannot be written is not lost: its checkpoint is still there.
    with clearing_deferred():
        if preparation.is_asked:
            model = _prepared_model(estimator, data, columns, preparation, group_column)
        else:
            model = fitted_rows(estimator, data, columns, group_column, align_to)
        save(model, output)
    fitted = model[-1] if isinstance(model, Pipeline) else model
    sys.stdout.write(f"{output}: {_summary(fitted)}\n")
    if align_to is not None:
        sys.stdout.write(f"numbers of {align_to}: {fitted.alignment_}\n")
    if preparation.is_asked:
        # The model takes its columns by their names.
        columns = replace(columns, columns=None, drop=None)
    results.write(output, data, columns)


def _prepared_model(
    estimator: Any,  # noqa: ANN401 - either estimator
    data: str,
    columns: Columns,
    preparation: Preparation,
    group_column: str | None,
) -> Pipeline:
    """Fit an estimator to columns of several kinds, behind what is done to them."""
    if data == STANDARD_INPUT:
        raise UsageError("DATA is read more than once to prepare columns; pass a file")
    groups = columns.groups(data, group_column, make_affinity(estimator.affinity))
    table = columns.table(data, group_column)
    table.check_names()
    kinds = preparation.kinds(table.source, table.columns)
    check_kinds(table.source, kinds)
    transformer, rows = preparation.fitted(MixedTable(table.source, kinds))
    with warnings.catch_warnings():
        if preparation.scales:
            # Beside a single number, which has the unit, categories are small.
            warnings.simplefilter("ignore", ScaleWarning)
        estimator.fit(rows, groups=groups)
    return Pipeline(
        [(PREPARED, transformer), ("model", estimator.set_params(verbose=0))]
    )


def fitted_rows(
    estimator: Any,  # noqa: ANN401 - either estimator
    data: str,
    columns: Columns,
    group_column: str | None,
    align_to: Path | None = None,
) -> Any:  # noqa: ANN401
    """Fit an estimator to the rows of a file."""
    groups = columns.groups(data, group_column, make_affinity(estimator.affinity))
    table = columns.table(data, group_column)
    table.check_names()
    given: dict[str, Any] = {"groups": groups}
    if align_to is not None:
        _check_columns(align_to, table)
        given["align_to"] = align_to
    mapped = table.spooled() if data == STANDARD_INPUT else table.on_disk()
    model = estimator.fit(table if mapped is None else mapped, **given)
    if table.feature_names is not None:
        model.feature_names_in_ = np.array(table.feature_names, dtype=object)
    # The model does not keep how much its fit reported.
    return model.set_params(verbose=0)


def _check_columns(align_to: Path, table: Table) -> None:
    """Refuse columns that are not those of a former model, where both have names."""
    before, now = describe(align_to).feature_names, table.feature_names
    if before is not None and now is not None and before != list(now):
        raise ValueError(
            f"--align-to {align_to} was fitted to the columns {', '.join(before)}, and "
            f"these are {', '.join(now)}; choose those in their order by --columns"
        )


def new_estimator(embedding: bool, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
    """Make the estimator that options describe."""
    kind = NeuralSpectralEmbedding if embedding else NeuralEigenSpectralClustering
    estimator = kind().set_params(**DEFAULTS)
    for name in parameters:
        if name.partition("__")[0] not in estimator.get_params(deep=False):
            raise UsageError(
                f"{ROWS[name].option} is for clusters, and --embedding finds none"
            )
    try:
        return estimator.set_params(**parameters)
    except ValueError as error:
        affinity = parameters.get("affinity", estimator.affinity)
        foreign = [
            ROWS[name].option
            for name in parameters
            if name.startswith("affinity__") and f"'{name[10:]}'" in str(error)
        ]
        raise UsageError(
            f"{', '.join(foreign)} is not an option of --affinity {affinity}"
        ) from error


def _summary(model: Any) -> str:  # noqa: ANN401 - either estimator
    if not isinstance(model, NeuralEigenSpectralClustering):
        n_rows, n_columns = model.embedding_.shape
        columns = count_text(n_columns, "eigenfunction")
        return f"{columns} of {count_text(n_rows, 'row')}"
    clusters = count_text(np.unique(model.labels_).size, "cluster")
    rows = count_text(model.labels_.size, "row")
    return (
        f"{clusters} of {rows}, normalised cut {model.ncut_:.3f}"
        f"{choice_text(best_of(model), model.n_clusters_)}"
    )


def predict(
    model: Path,
    data: str,
    *,
    output: Result = None,
    written: PredictedColumns,
    columns: Columns,
    device: str = "auto",
) -> None:
    """Label the rows of a file: numbers of clusters from 0.

    Text has the names of clusters beside the numbers, if the model has any.

    Examples
    --------
    neuraleig predict model.safetensors rows.npy -o labels.npy
    neuraleig predict flowers.safetensors flowers.csv -o labels.csv
    neuraleig predict flowers.safetensors flowers.csv --proba -o shares.csv
    neuraleig predict flowers.safetensors flowers.csv --confidence --novelty
    neuraleig predict flowers.safetensors flowers.csv --keep species
    neuraleig predict flowers.safetensors flowers.csv --bad-rows skip
    neuraleig predict flowers.safetensors - < flowers.csv > labels.csv
    """
    check_output(output, data, model)
    as_text = output is None or output.suffix.lower() != ".npy"
    if not as_text and (written.keep or written.skips):
        raise UsageError("--keep and --bad-rows skip need a .csv or .parquet file")
    loaded = load_row_model(
        model, device, columns, data,
        with_clusters=True, keep=written.keep, skips=written.skips,
    )  # fmt: skip
    names = loaded.estimator.cluster_names_ if as_text else {}
    predict = written.of(loaded.estimator, names, as_text=as_text)
    predict = with_warning(predict, loaded.estimator)
    header = partial(written.header, has_names=bool(names))
    if as_text and isinstance(loaded.table, MixedRows):
        write_mixed(output, written, header, predict, loaded)
    else:
        write_results(output, header, map(predict, loaded.table), loaded.table)


def write_mixed(
    output: Path | None,
    written: PredictedColumns,
    header: Callable[[int], Sequence[str]],
    predict: Callable[[Any], NDArray[Any]],
    loaded: RowModel,
) -> None:
    """Write cells that are kept beside predictions."""
    mixed = loaded.table
    assert isinstance(mixed, MixedRows)
    beside = written.confidence + 2 * written.novelty
    titles = header(loaded.n_clusters + beside)
    kept = mixed.mixed.names[len(mixed.columns) - len(mixed.mixed.kinds.kept) :]
    bad: list[int] = []
    parts = written.with_cells(predict, mixed, len(titles), bad)
    write_results(output, lambda n_columns: [*kept, *titles], parts, mixed)
    if sum(bad):
        write_line(
            f"neuraleig: warning: {count_text(sum(bad), 'row')} with a cell that is no "
            "number, without a label"
        )


def transform(
    model: Path,
    data: str,
    *,
    output: Result = None,
    columns: Columns,
    device: str = "auto",
) -> None:
    """Evaluate eigenfunctions at the rows of a file.

    Examples
    --------
    neuraleig transform map.safetensors rows.npy -o map.npy
    neuraleig transform model.safetensors rows.npy -o functions.csv
    """
    check_output(output, data, model)
    loaded = load_row_model(model, device, columns, data)
    titles = loaded.estimator.get_feature_names_out().tolist()
    parts = loaded.estimator.iter_transform(loaded.table)
    write_results(output, lambda n_columns: titles, parts, loaded.table)


def write_results(
    path: Path | None,
    header: Callable[[int], Sequence[str]],
    parts: Iterator[NDArray[Any]],
    table: Table,
) -> None:
    """Write results of the rows of a table to a file, or as text to stdout.

    ``header`` makes the names of so many columns.
    """
    first = next(parts)
    titles = header(1 if first.ndim == 1 else first.shape[1])
    together = chain([first], parts)
    to_stdout = path is None or str(path) == STANDARD_INPUT
    # Beside lines of results on a terminal there is no place for a bar.
    is_shown = not (to_stdout and sys.stdout.isatty())
    n_rows_known = table.source.n_rows
    with live_bar("neuraleig: rows", n_rows_known, "rows", shown=is_shown) as advance:

        def counted() -> Iterator[NDArray[Any]]:
            for part in together:
                yield part
                advance(len(part))

        if path is None or to_stdout:
            write_text(sys.stdout.write, titles, counted())
            return
        suffix = path.suffix.lower()
        if suffix == ".npy":
            n_rows = write_npy(path, counted())
        else:
            write = write_csv if suffix == ".csv" else write_parquet
            n_rows = write(path, titles, counted())
    sys.stdout.write(f"{path}: {n_rows} rows\n")
