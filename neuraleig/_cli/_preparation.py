"""Columns of several kinds: what is done to them before a fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from neuraleig._cli._options import Names
from neuraleig._tables import (
    Kinds,
    MixedRows,
    MixedTable,
    Source,
    TableError,
    chosen_columns,
)
from neuraleig._typing import FloatArray

# Names of the steps, by which columns are found in a model.
PREPARED, NUMBERS, CATEGORIES, KEPT = "prepare", "numbers", "categories", "keep"
# Rows of different categories are as far apart as a row and this neighbour of it by
# numbers: further, no row would have neighbours of another category, and the graph
# would fall apart into combinations of categories.
NEIGHBOR = 10
# Rows among which neighbours are searched, and rows whose neighbours they are.
SEARCHED_ROWS, SAMPLE_ROWS = 20_000, 2_000


@dataclass(frozen=True)
class Preparation:
    """What is done to the columns of a file before a fit, and before predictions.

    Parameters
    ----------
    scale
        Divide numbers by their standard deviation, each after its mean is subtracted
        (default: with --categorical).
    impute
        Fill missing numbers with the median of their column; without a value of a
        category, none is a category of its own.
    categorical : A,B
        Columns of categories, by names or numbers from 1: a feature for each value, by
        which rows are as far apart as neighbours are by the numbers.
    keep : A,B
        Columns that name rows, such as an id: no features, and written by predict.
    """

    scale: bool | None = None
    impute: bool = False
    categorical: Names = None
    keep: Names = None

    @property
    def is_asked(self) -> bool:
        """Whether columns are to be prepared at all."""
        return bool(self.scale or self.impute or self.categorical or self.keep)

    @property
    def scales(self) -> bool:
        """Whether numbers are scaled."""
        return bool(self.scale or (self.scale is None and self.categorical))

    def kinds(self, source: Source, columns: list[int]) -> Kinds:
        """Kinds of some columns of a file."""
        categories = _columns(source, self.categorical)
        kept = _columns(source, self.keep)
        left_out = set(categories) - set(columns)
        if left_out:
            raise TableError(
                f"column {source.called(min(left_out))} of {source.name} is named by "
                "--categorical, and left out by --columns or --drop"
            )
        twice = set(categories) & set(kept)
        if twice:
            raise TableError(
                f"column {source.called(min(twice))} of {source.name} is named by "
                "--categorical and by --keep; name it once"
            )
        numbers = [c for c in columns if c not in (*categories, *kept)]
        if not numbers and not categories:
            raise TableError(f"{source.name}: no column is left; leave out fewer")
        return Kinds(
            tuple(numbers), tuple(categories), tuple(kept), may_lack=self.impute
        )

    def transformer(self, table: MixedTable) -> ColumnTransformer:
        """Unfitted transformer of the columns of a table, by their positions."""
        kinds = table.kinds
        steps: list[Any] = []
        if self.impute:
            steps.append(("impute", SimpleImputer(strategy="median")))
        if self.scales:
            steps.append(("scale", StandardScaler()))
        parts = (
            (NUMBERS, Pipeline(steps) if steps else "passthrough", kinds.numbers),
            (CATEGORIES, _categories(), kinds.categories),
            (KEPT, "drop", kinds.kept),
        )
        transformers, first = [], 0
        for name, transformer, columns in parts:
            own = list(range(first, first + len(columns)))
            first += len(columns)
            if own:
                transformers.append((name, transformer, own))
        return ColumnTransformer(
            transformers,
            verbose_feature_names_out=False,
            sparse_threshold=0,
        )

    def fitted(self, table: MixedTable) -> tuple[ColumnTransformer, Any]:
        """Transformer that is fitted to all rows of a table, and these rows."""
        cells = np.concatenate([part.cells for part in table.parts()])
        transformer = self.transformer(table)
        rows = transformer.fit_transform(cells).astype(np.float64)
        n_numbers = len(table.kinds.numbers)
        if n_numbers and table.kinds.categories:
            weight = category_weight(rows[:, :n_numbers])
            transformer.set_params(transformer_weights={CATEGORIES: weight})
            rows[:, n_numbers:] *= weight
        if table.source.column_names:
            _name_columns(transformer, np.array(table.names, dtype=object))
        return transformer, rows


def _name_columns(transformer: ColumnTransformer, names: NDArray[Any]) -> None:
    """Let a transformer, fitted to rows without names, read frames by names."""
    transformer.feature_names_in_ = names
    for _, fitted, columns in transformer.transformers_:
        first = fitted.steps[0][1] if isinstance(fitted, Pipeline) else fitted
        if not isinstance(first, str):
            first.feature_names_in_ = names[columns]


def category_weight(numbers: FloatArray) -> float:
    """Weight of columns of 0 and 1 beside numbers (n_rows, n_numbers).

    The square root of two of these weights is the distance of rows of different
    categories; it is at most one standard deviation of a scaled number.
    """
    generator = np.random.default_rng(0)
    n_rows = len(numbers)
    searched = numbers
    if n_rows > SEARCHED_ROWS:
        searched = numbers[generator.choice(n_rows, SEARCHED_ROWS, replace=False)]
    sample = searched[:SAMPLE_ROWS]
    n_neighbors = min(NEIGHBOR + 1, len(searched))
    search = NearestNeighbors(n_neighbors=n_neighbors).fit(searched)
    distance = float(np.median(search.kneighbors(sample)[0][:, -1]))
    return min(distance, 1.0) / 2**0.5 if distance > 0 else 0.5**0.5


def is_prepared(model: Pipeline) -> bool:
    """Whether a pipeline prepares columns of a file as the command line does."""
    first = model.named_steps.get(PREPARED)
    known = {NUMBERS, CATEGORIES, KEPT}
    return (
        len(model.steps) == 2
        and isinstance(first, ColumnTransformer)
        and {name for name, _, _ in first.transformers} <= known
    )


def mixed_rows(
    model: Pipeline, source: Source, keep: Names, *, skips: bool
) -> MixedRows:
    """Columns of a file as the last step of a model takes them."""
    transformer: ColumnTransformer = model[PREPARED]
    kinds = _kinds_of(transformer, source, keep)
    n_features = len(kinds.numbers) + len(kinds.categories)

    def numbers_of(cells: Any) -> Any:  # noqa: ANN401
        given = _as_fitted(transformer, cells, n_features)
        with warnings.catch_warnings():
            # Rows here have no names, which were checked.
            warnings.simplefilter("ignore", UserWarning)
            return transformer.transform(given).astype(np.float64)

    return MixedRows(
        MixedTable(source, kinds, skips=skips),
        list(transformer.get_feature_names_out()),
        model[-1].n_features_in_,
        numbers_of,
    )


def raw_rows(
    model: Pipeline, source: Source
) -> tuple[Iterator[NDArray[np.object_]], tuple[str, ...] | None]:
    """Columns of a file as a model takes them before they are prepared, and names."""
    transformer: ColumnTransformer = model[PREPARED]
    kinds = _kinds_of(transformer, source, None)
    n_features = len(kinds.numbers) + len(kinds.categories)
    parts = MixedTable(source, kinds).parts()
    rows = (_as_fitted(transformer, part.cells, n_features) for part in parts)
    names = getattr(transformer, "feature_names_in_", None)
    return rows, None if names is None else tuple(map(str, names))


def _as_fitted(
    transformer: ColumnTransformer, cells: NDArray[Any], n_features: int
) -> NDArray[np.object_]:
    """Cells at the positions of the fit; those that are kept are empty."""
    given = np.empty((len(cells), transformer.n_features_in_), dtype=object)
    given[:, :n_features] = cells[:, :n_features]
    return given


def _kinds_of(transformer: ColumnTransformer, source: Source, keep: Names) -> Kinds:
    """Columns of a file that a fitted transformer takes, and those to be kept.

    By their names where the model has names, and otherwise by their positions.
    """
    names = getattr(transformer, "feature_names_in_", None)
    if names is not None and source.column_names is None:
        raise TableError(
            f"{source.name} has no names of columns, and the model takes "
            f"{', '.join(map(str, names))}; pass --header if its first row has them"
        )
    found: dict[str, tuple[int, ...]] = {}
    for name, _, columns in transformer.transformers:
        own = [str(c + 1) if names is None else str(names[c]) for c in columns]
        if name == KEPT:
            # No feature depends on them.
            own = [each for each in own if each in (source.column_names or ())]
        found[name] = tuple(chosen_columns(source, own)) if own else ()
    parts = transformer.named_transformers_
    return Kinds(
        found.get(NUMBERS, ()),
        found.get(CATEGORIES, ()),
        tuple(_columns(source, keep)) if keep else found.get(KEPT, ()),
        may_lack="impute" in getattr(parts.get(NUMBERS), "named_steps", {}),
    )


def _columns(source: Source, names: Names) -> list[int]:
    return [] if names is None else chosen_columns(source, names)


def _categories() -> OneHotEncoder:
    """Encoder of categories; those that a fit has not seen are none of them."""
    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
