"""The report about a fitted estimator."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.utils import check_random_state

from neuraleig._atomic import atomic_file, checked_target
from neuraleig._device import ordinary_torch
from neuraleig._random import RandomState
from neuraleig._validation import is_count
from neuraleig._words import count_text
from neuraleig.plotting._matplotlib import require_matplotlib
from neuraleig.report._entries import curve_entry, spectrum_entry, training_entry
from neuraleig.report._images import image_entries, summarize_images
from neuraleig.report._model import (
    checked_step,
    fitted_numbers,
    kind_of,
    parameters_of,
    versions,
)
from neuraleig.report._page import rendered, require_jinja
from neuraleig.report._row_view import map_entry, row_entries
from neuraleig.report._rows import Given, RowSummary, summarize_rows
from neuraleig.segmentation import DenseSegmenter

CALLER = "write_report"


@ordinary_torch()
def write_report(
    estimator: Any,  # noqa: ANN401 - estimator or pipeline
    data: Any,  # noqa: ANN401 - rows or images
    path: str | PathLike[str],
    *,
    title: str | None = None,
    date: str | datetime.date | None = None,
    feature_names: Sequence[str] | None = None,
    texts: Iterable[Any] | None = None,
    row_names: Iterable[Any] | None = None,
    n_exemplars: int = 6,
    n_features: int = 10,
    max_rows: int = 10_000,
    max_images: int = 200,
    random_state: RandomState = 0,
) -> Path:
    """Write a report about a fitted model as one self-contained HTML file.

    The report begins with the sizes of the clusters and what tells them apart, then
    shows each cluster: for rows, typical rows and distinctive features; for images,
    crops and a field for a name. The probabilities of labels, the spectrum, the
    training and the parameters follow. Names can be downloaded as JSON for ``neuraleig
    segment name`` and :meth:`DenseSegmenter.name_clusters`. Clusters that have names
    are shown with them.

    Parameters
    ----------
    estimator : estimator
        Fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
        ``DenseSegmenter``, or a pipeline that ends in one.
    data : array-like, sliceable or iterable of batches; images for ``DenseSegmenter``
        Data to show, seen in the fit or not. Rows have shape (n_samples, n_features)
        in total and are read once, part by part. For a pipeline they are its input,
        and the report shows them in their units: columns of numbers, missing cells
        included, and of categories, or texts. Images are those that ``fit`` accepts;
        they are labelled one by one.
    path : str or PathLike
        File to write. Its folder must exist; an existing file is replaced atomically.
    title : str or None, default=None
        Heading. ``None``: the class of the estimator.
    date : str, date or None, default=None
        Date below the heading. ``None``: no date, so that equal arguments give equal
        files.
    feature_names : sequence of str or None, default=None
        Names of the features of rows. ``None``: those of a data frame, or
        ``feature_names_in_`` if the estimator has it, otherwise numbers from 0.
    texts : iterable of str or None, default=None
        Text of each row, from which keywords and near-duplicates of clusters are found,
        and which is shown with the row. ``None``: none, or ``data`` itself if its rows
        are texts.
    row_names : iterable or None, default=None
        Name of each row, such as an id, shown beside its number.
    n_exemplars : int, default=6
        Number of typical rows or crops per cluster.
    n_features : int, default=10
        Number of features shown per cluster, the most distinctive first.
    max_rows : int, default=10_000
        Number of rows, drawn at random, from which typical and doubtful rows are
        chosen. Sizes, probabilities and means are computed from all rows.
    max_images : int, default=200
        Number of images, drawn at random, that are labelled and shown.
    random_state : int, RandomState instance or None, default=0
        Seed of these samples.

    Returns
    -------
    path : Path
        Path of the file.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If the estimator is not one of this library, or ``texts`` or ``row_names`` is a
        single text.
    ValueError
        If the data do not fit the estimator or are empty, an option is out of range,
        or ``texts`` or ``row_names`` does not have one entry per row.
    ImportError
        If matplotlib or jinja2 (extra ``plot``) is not installed, or Pillow (extra
        ``vision``) for image files.
    OSError
        If the file cannot be written.

    Notes
    -----
    With the same versions of the libraries, equal models, data and options give equal
    bytes.

    The time is that of ``predict_proba`` and ``transform``. Memory is needed for one
    part of the rows and a few copies of ``max_rows`` rows, dense also for sparse rows
    of up to 1,000 features, or for the prediction of one image and the crops.

    All text is escaped, and a content security policy forbids browsers to load
    anything, so that the file can be shared whatever names the data contain.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_wine
    >>> from neuraleig import NeuralEigenSpectralClustering
    >>> from neuraleig.report import write_report
    >>> X, _ = load_wine(return_X_y=True)
    >>> model = NeuralEigenSpectralClustering(3, random_state=0).fit(X / X.std(axis=0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(model, X / X.std(axis=0), Path(folder, "wine.html"))
    ...     page.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    step = checked_step(estimator)
    _check_counts(
        n_exemplars=n_exemplars,
        n_features=n_features,
        max_rows=max_rows,
        max_images=max_images,
    )
    target = checked_target(path)
    require_matplotlib(CALLER)
    require_jinja(CALLER)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    content = _model_content(estimator, step, title, date)
    if isinstance(step, DenseSegmenter):
        _check_no_rows(feature_names=feature_names, texts=texts, row_names=row_names)
        images = summarize_images(step, data, max_images, n_exemplars, seed)
        content |= image_entries(images, step.cluster_names_)
    else:
        _check_feature_names(estimator, feature_names)
        given = Given(feature_names, texts, row_names)
        rows = summarize_rows(estimator, data, max_rows, seed, given)
        content |= _row_content(step, rows, n_exemplars, n_features, seed)
    with atomic_file(target) as file:
        file.write(rendered(content).encode("utf-8"))
    return target


def _check_counts(**numbers: int) -> None:
    for name, number in numbers.items():
        if not is_count(number):
            raise ValueError(f"{name}={number!r} must be an integer of at least 1.")


def _model_content(
    estimator: Any,  # noqa: ANN401
    step: Any,  # noqa: ANN401
    title: str | None,
    date: str | datetime.date | None,
) -> dict[str, Any]:
    """Return the variables of the template for any model."""
    kind = kind_of(estimator)
    return {
        "title": type(step).__name__ if title is None else title,
        "date": None if date is None else str(date),
        "facts": {"Class": kind} | fitted_numbers(step),
        "parameters": parameters_of(step),
        "versions": f"Written by {versions()}.",
        "spectrum": spectrum_entry(step),
        "curve": curve_entry(step),
        "training": training_entry(step),
        "map": None,
        "profile": None,
        "clusters": [],
        "has_texts": False,
        "feature_names": [],
        "has_names": False,
        "subject": kind,
    }


def _row_content(
    step: Any,  # noqa: ANN401
    rows: RowSummary,
    n_exemplars: int,
    n_features: int,
    seed: int,
) -> dict[str, Any]:
    """Return the variables of the template for a model of rows."""
    n_clusters = rows.counts.sizes.size
    names = rows.profile.columns.names
    content: dict[str, Any] = {
        "map": map_entry(rows, n_clusters, seed),
        "feature_names": names,
        "subject": (
            f"{count_text(rows.n_rows, 'row')} of {count_text(len(names), 'feature')}"
        ),
    }
    if hasattr(step, "predict_proba"):
        content |= row_entries(rows, step.cluster_names_, n_exemplars, n_features)
    return content


def _check_no_rows(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name} is for rows, and the estimator labels images.")


def _check_feature_names(
    estimator: Any,  # noqa: ANN401
    names: Sequence[str] | None,
) -> None:
    n_features = getattr(estimator, "n_features_in_", None)
    if names is not None and n_features is not None and len(names) != n_features:
        raise ValueError(
            f"feature_names has {len(names)} names, but the estimator was fitted with "
            f"{n_features} features; pass one name per feature."
        )
