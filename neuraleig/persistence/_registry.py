"""Saving and loading estimators of all classes."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._device import ordinary_torch, resolve_device
from neuraleig._tree_file import brief
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.networks import TrunkFactory
from neuraleig.persistence._model_file import read_model, write_model
from neuraleig.persistence._parameters import Brought
from neuraleig.persistence._pipelines import packed_pipeline, pipeline_of
from neuraleig.persistence._plain_file import UnusableError, checked
from neuraleig.persistence._row_estimators import (
    packed_row_estimator,
    row_estimator_of,
)
from neuraleig.persistence._segmenter import packed_segmenter, segmenter_of
from neuraleig.segmentation import DenseSegmenter

Estimator = NeuralEigenSpectralClustering | NeuralSpectralEmbedding | DenseSegmenter
ESTIMATORS: dict[str, type[Estimator]] = {
    kind.__name__: kind
    for kind in (NeuralEigenSpectralClustering, NeuralSpectralEmbedding, DenseSegmenter)
}
# Classes of files: estimators, and pipelines that end in one.
CLASSES = (*ESTIMATORS, Pipeline.__name__)


@ordinary_torch()
def save(
    estimator: Estimator | Pipeline,
    path: str | PathLike[str],
    *,
    include_backbone: bool = False,
) -> None:
    """Save a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted :class:`NeuralEigenSpectralClustering`, :class:`NeuralSpectralEmbedding`
        or :class:`DenseSegmenter`, or a :class:`sklearn.pipeline.Pipeline` that ends in
        one of the first two. Its other steps are scalers, ``SimpleImputer``,
        ``OneHotEncoder``, ``OrdinalEncoder``, ``PCA``, ``TruncatedSVD``,
        ``Normalizer``, ``ColumnTransformer`` and pipelines of these.
    path : str or PathLike
        File, by convention ``*.safetensors``; one that is there is replaced. Its
        folder must exist.
    include_backbone : bool, default=False
        Whether the weights of the backbone of a segmenter, a timm model or a module,
        are in the file as well: loading then fetches nothing.

    Raises
    ------
    TypeError
        If the estimator or a step is of another class, a subclass included, or a
        parameter is an object that cannot be stored.
    ValueError
        If a parameter has no valid value, or the estimator has no backbone whose
        weights can be included.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written; one that was there is then as it was.

    Notes
    -----
    The safetensors file holds the network, the reading of labels, names, fitted numbers
    and parameters. It holds neither code nor data: not ``labels_``, ``embedding_`` and
    ``alignment_`` of the training rows, not the rows that ``partial_fit`` keeps.
    Functions (``affinity``, ``network``, ``backbone``) are stored by name, see
    :func:`load`.
    ``callbacks`` and a ``random_state`` that is a generator load as ``None``. Equal
    models are equal files. Memory: twice the weights.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_moons
    >>> import neuraleig
    >>> X, _ = make_moons(200, noise=0.05, random_state=0)
    >>> model = neuraleig.NeuralEigenSpectralClustering(2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     neuraleig.save(model, path)
    ...     loaded = neuraleig.load(path)
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    name = type(estimator).__name__
    if type(estimator) not in (*ESTIMATORS.values(), Pipeline):
        raise TypeError(
            f"estimator is a {name}; only {', '.join(CLASSES)} can be saved, and no "
            "class derived from it."
        )
    is_segmenter = isinstance(estimator, DenseSegmenter)
    if include_backbone and not is_segmenter:
        raise ValueError(
            f"include_backbone=True, and a {name} has no backbone; leave it out."
        )
    check_is_fitted(estimator)
    if is_segmenter:
        tree = packed_segmenter(estimator, include_backbone=include_backbone)
    elif isinstance(estimator, Pipeline):
        tree = packed_pipeline(estimator)
    else:
        tree = packed_row_estimator(estimator)
    write_model(Path(path), name, tree)


@ordinary_torch()
def load(
    path: str | PathLike[str],
    *,
    affinity: Callable[..., ArrayLike] | None = None,
    network: TrunkFactory | None = None,
    backbone: Callable[..., Any] | None = None,
    device: str = "auto",
    weights: str | PathLike[str] | None = None,
) -> Any:  # noqa: ANN401 - the class is in the file
    """Load an estimator that was saved.

    Parameters
    ----------
    path : str or PathLike
        File that :func:`save` wrote.
    affinity : callable or None, default=None
        Affinity function of the fit, if it was your own. ``score``, ``fit`` and
        ``partial_fit`` raise without it; predictions do not need it.
    network : callable or None, default=None
        Callable that made the network of the fit, if it was your own.
    backbone : callable, Backbone or None, default=None
        Backbone of the fit, if it was your own. Others are made again: the weights of
        timm models are those in the file, or are fetched, read from the same file as in
        the fit, or drawn from the same seed.
    device : str, default="auto"
        Parameter ``device`` of the loaded estimator, whatever that of the fit:
        ``"auto"`` (CUDA where present) or a name that torch knows.
    weights : str, PathLike or None, default=None
        File to read the weights of a timm model from instead.

    Returns
    -------
    estimator : estimator
        Fitted, of the class that was saved. On the same kind of device it predicts
        what the saved one does, bit for bit. It has no ``labels_``, ``embedding_`` and
        ``alignment_``, and its ``partial_fit`` begins a stream, as after ``fit``.

    Raises
    ------
    ModelFileError
        A :class:`ValueError`: the file is not a model, is damaged or of another schema;
        or an argument is missing, not needed, or not that of the fit.
    OSError
        If the file or the weights of the backbone cannot be read or fetched.
    ImportError
        If the backbone needs timm, which is not installed.

    Notes
    -----
    Loading runs no code from the file, and takes no more memory than a multiple of its
    bytes, except for the backbone of a segmenter: a timm model of the name in the file
    is made, of any size, and its weights are read or fetched. Pass ``backbone=`` for
    files of strangers; the name is then not used.

    Examples
    --------
    Pass a network of your own again:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from torch import nn
    >>> import neuraleig
    >>> def trunk(n_features):
    ...     return nn.Sequential(nn.Linear(n_features, 16), nn.Tanh())
    >>> X = np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None]
    >>> model = neuraleig.NeuralEigenSpectralClustering(
    ...     2, network=trunk, random_state=0
    ... ).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     neuraleig.save(model, path)
    ...     loaded = neuraleig.load(path, network=trunk)
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    where = resolve_device(device)
    file = read_model(Path(path))
    with checked(Path(path)):
        kind = ESTIMATORS.get(file.class_name)
        if file.class_name not in CLASSES:
            raise UnusableError(
                f"holds a {brief(file.class_name)!r}, which this version of neuraleig "
                f"cannot load; it loads {', '.join(CLASSES)}"
            )
        brought = Brought(
            affinity=affinity, network=network, backbone=backbone, weights=weights
        )
        if kind is None:
            estimator: Any = pipeline_of(file.tree, brought, where)
        elif kind is DenseSegmenter:
            estimator = segmenter_of(file.tree, brought, where)
        else:
            estimator = row_estimator_of(kind, file.tree, brought, where)
        brought.refuse_unused()
    (estimator[-1] if kind is None else estimator).device = device
    if kind is DenseSegmenter:
        estimator.clusterer_.device = device
    return estimator
