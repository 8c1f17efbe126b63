"""The report on a fitted estimator, from data to a file."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.utils import check_random_state

from neuraleig._atomic import atomic_file
from neuraleig._random import RandomState
from neuraleig._words import count_text
from neuraleig.plotting._matplotlib import require_matplotlib
from neuraleig.report._image_summary import summarize_images
from neuraleig.report._image_view import image_entries
from neuraleig.report._model import (
    checked_step,
    fitted_numbers,
    kind_of,
    parameters_of,
    versions,
)
from neuraleig.report._page import rendered, require_jinja
from neuraleig.report._row_summary import RowSummary, summarize_rows
from neuraleig.report._row_view import plane_entry, row_entries
from neuraleig.report._shared_view import spectrum_entry, training_entry
from neuraleig.segmentation import DenseSegmenter

CALLER = "write_report"
# Images in doubt that are shown.
N_DOUBTFUL = 6


def write_report(
    estimator: Any,  # noqa: ANN401 - estimator or pipeline
    data: Any,  # noqa: ANN401 - rows or images
    path: str | PathLike[str],
    *,
    title: str | None = None,
    date: str | datetime.date | None = None,
    feature_names: Sequence[str] | None = None,
    n_exemplars: int = 6,
    n_features: int = 10,
    max_rows: int = 10_000,
    max_images: int = 200,
    random_state: RandomState = 0,
) -> Path:
    """Write a page about a fitted model: an HTML file that needs nothing else.

    It shows the parameters, the spectrum, the sizes of the clusters, how sure their
    labels are, the training, and what every cluster is made of: typical rows and the
    features that tell it from the others, or crops of images, beside which names can
    be typed and downloaded for ``name_clusters``.

    Parameters
    ----------
    estimator : estimator
        A fitted ``NeuralEigenSpectralClustering``, ``NeuralSpectralEmbedding`` or
        ``DenseSegmenter``, or a pipeline that ends in one.
    data : array-like, sliceable or iterable of batches; images for ``DenseSegmenter``
        What the page shows, seen in the fit or not. Rows have shape (n_samples,
        n_features) in all and are read once, part by part; images are those that
        ``fit`` takes, and are labelled one by one.
    path : str or PathLike
        Of the file, which is replaced atomically; its folder must exist.
    title : str or None, default=None
        Heading; ``None``: the class of the estimator.
    date : str, date or None, default=None
        Is written below the heading. ``None``: no date, so that the file depends on
        nothing but what is passed.
    feature_names : sequence of str or None, default=None
        Names of the features of rows. ``None``: ``feature_names_in_`` where the
        estimator has them, or numbers from 0.
    n_exemplars : int, default=6
        Typical rows, or crops, of every cluster.
    n_features : int, default=10
        Features that are shown of every cluster, those that tell it best.
    max_rows : int, default=10_000
        Rows among which typical and doubtful ones are looked for; of more, as many are
        drawn. Sizes, probabilities and means are those of all rows.
    max_images : int, default=200
        Images that are looked at; of more, as many are drawn, and everything is said
        of these.
    random_state : int, RandomState instance or None, default=0
        Seed of these draws.

    Returns
    -------
    path : Path
        The file.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is none of this library.
    ValueError
        If the data are not those that it takes, there are none, or an option is out
        of range.
    ImportError
        If matplotlib or jinja2 (the extra ``plot``), or for files of images Pillow
        (the extra ``vision``), cannot be imported.
    OSError
        If the file cannot be written.

    Notes
    -----
    Equal models, data and options give equal bytes, with the same libraries.

    Memory: one part of the rows, some copies of ``max_rows`` rows, or one prediction
    of an image and the crops. Time is that of
    ``predict_proba`` and ``transform``.

    All text is escaped, and the page forbids browsers to load anything, so that it can
    be passed on whatever features, files and clusters are called.

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
    for name, number in (
        ("n_exemplars", n_exemplars),
        ("n_features", n_features),
        ("max_rows", max_rows),
        ("max_images", max_images),
    ):
        _check_count(name, number)
    target = _checked_path(path)
    require_matplotlib(CALLER)
    require_jinja(CALLER)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    content = _model_content(estimator, step, title, date)
    if isinstance(step, DenseSegmenter):
        if feature_names is not None:
            raise ValueError("feature_names is for rows, and images have none.")
        content |= _image_content(step, data, max_images, n_exemplars, seed)
    else:
        names = _feature_names(estimator, feature_names)
        rows = summarize_rows(estimator, data, max_rows, seed)
        content |= _row_content(step, rows, names, n_exemplars, n_features, seed)
    text = rendered(content)
    with atomic_file(target) as file:
        file.write(text.encode("utf-8"))
    return target


def _model_content(
    estimator: Any,  # noqa: ANN401
    step: Any,  # noqa: ANN401
    title: str | None,
    date: str | datetime.date | None,
) -> dict[str, Any]:
    """What is said of every model."""
    kind = kind_of(estimator)
    facts = {"Class": kind}
    if hasattr(step, "n_clusters"):
        facts["Clusters asked for"] = str(step.n_clusters)
    facts |= fitted_numbers(step)
    return {
        "title": type(step).__name__ if title is None else title,
        "date": None if date is None else str(date),
        "facts": facts,
        "parameters": parameters_of(step),
        "versions": f"Written by {versions()}.",
        "spectrum": spectrum_entry(step),
        "training": training_entry(step),
        "plane": None,
        "clusters": [],
        "feature_names": [],
        "n_features": 0,
        "has_names": False,
        "subject": kind,
    }


def _image_content(
    segmenter: DenseSegmenter,
    images: Any,  # noqa: ANN401
    max_images: int,
    n_exemplars: int,
    seed: int,
) -> dict[str, Any]:
    """What is said of models of images."""
    found = summarize_images(
        segmenter,
        images,
        most=max_images,
        n_crops=n_exemplars,
        n_doubtful=N_DOUBTFUL,
        seed=seed,
    )
    return {**image_entries(found, segmenter.cluster_names_), "has_names": True}


def _row_content(
    step: Any,  # noqa: ANN401
    rows: RowSummary,
    names: list[str],
    n_exemplars: int,
    n_features: int,
    seed: int,
) -> dict[str, Any]:
    """What is said of models of rows."""
    n_clusters = rows.confidences.sizes.size
    content: dict[str, Any] = {
        "plane": plane_entry(rows.inspected, step.eigenvalues_, n_clusters, seed),
        "feature_names": names,
        "n_features": len(names),
        "subject": (
            f"{count_text(rows.n_rows, 'row')} of {count_text(len(names), 'feature')}"
        ),
    }
    if hasattr(step, "predict_proba"):
        content |= row_entries(rows, names, n_exemplars, n_features)
    return content


def _feature_names(
    estimator: Any,  # noqa: ANN401
    given: Sequence[str] | None,
) -> list[str]:
    """Name of every feature."""
    n_features = int(estimator.n_features_in_)
    if given is None:
        given = getattr(estimator, "feature_names_in_", None)
    if given is None:
        return [f"feature {number}" for number in range(n_features)]
    names = [str(name) for name in given]
    if len(names) != n_features:
        raise ValueError(
            f"feature_names has {len(names)} names, but the estimator was fitted with "
            f"{n_features} features; name each of them."
        )
    return names


def _check_count(name: str, number: int) -> None:
    is_number = isinstance(number, Integral) and not isinstance(number, bool)
    if not is_number or number < 1:
        raise ValueError(f"{name}={number!r} must be an integer of at least 1.")


def _checked_path(path: str | PathLike[str]) -> Path:
    """Refuse what cannot be written before any work."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"path={str(target)!r} is a folder; name a file.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path={str(target)!r} is in a folder that is not there; make it first."
        )
    return target
