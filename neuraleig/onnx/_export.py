"""Export of fitted estimators to ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from typing import Any

import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._atomic import checked_target
from neuraleig._device import ordinary_torch
from neuraleig._version import __version__
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.onnx import _row_model, _token_model
from neuraleig.onnx._model import Model
from neuraleig.onnx._writer import require_onnx, write_onnx
from neuraleig.segmentation import DenseSegmenter

Exportable = NeuralEigenSpectralClustering | NeuralSpectralEmbedding | DenseSegmenter
KNOWN = NeuralEigenSpectralClustering, NeuralSpectralEmbedding, DenseSegmenter


@ordinary_torch()
def export_onnx(
    estimator: Exportable | Pipeline,
    path: str | PathLike[str],
    *,
    dtype: str = "float32",
    include_backbone: bool = False,
    image_size: tuple[int, int] | None = None,
) -> None:
    """Write a fitted estimator as an ONNX model, which predicts without torch.

    Parameters
    ----------
    estimator : NeuralEigenSpectralClustering, NeuralSpectralEmbedding or DenseSegmenter
        Fitted estimator, on any device. It is not changed. Also a pipeline that ends in
        one of the first two, whose other steps take numbers: scalers, ``PCA``,
        ``TruncatedSVD``, ``Normalizer``, ``SimpleImputer``, ``ColumnTransformer`` and
        pipelines of these.
    path : str or PathLike
        File to write, usually ``*.onnx``. Its folder must exist; an existing file is
        replaced.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of the input. ``"float64"``: for rows whose differences float32 cannot
        represent. ``"uint8"``: for images with values from 0 to 255.
    include_backbone : bool, default=False
        For a segmenter, whether the input are images instead of token features.
    image_size : (int, int) or None, default=None
        Height and width of these images in pixels, multiples of the patch size.
        ``None``: any size, which some backbones do not support.

    Raises
    ------
    ImportError
        If the extra ``onnx`` is not installed.
    TypeError
        If the estimator or a step is of another class; subclasses are refused as well.
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If an option does not fit the estimator, torch cannot export a custom network
        or backbone, or the weights have 2 GB or more.
    OSError
        If the file cannot be written. An existing file is then unchanged.

    Notes
    -----
    The model is one file of operators of version 18. Inputs are not validated.

    =====================  =====================================================
    input                  outputs
    =====================  =====================================================
    ``X`` of shape         ``labels`` (n_rows,), int64; ``probabilities``
    (n_rows, n_features)   (n_rows, n_clusters); ``functions`` (n_rows,
                           n_components). An embedding has ``functions`` only.
    ``features`` of shape  ``labels``, ``probabilities``, ``scores`` and
    (n_windows, rows,      ``functions`` of each token, of shape (n_windows,
    columns, n_features)   rows, columns, ...).
    ``images`` of shape    The same. RGB, in [0, 1] for float32.
    (n_windows, 3,
    height, width)
    =====================  =====================================================

    The export takes some seconds, and memory for two copies of the weights.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import onnxruntime
    >>> from sklearn.datasets import make_moons
    >>> from neuraleig import NeuralEigenSpectralClustering, export_onnx
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> model = NeuralEigenSpectralClustering(2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "moons.onnx")
    ...     export_onnx(model, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> labels, probabilities, functions = session.run(None, {"X": X.astype("float32")})
    >>> bool((labels == model.predict(X)).all())
    True
    """
    last, before = estimator, []
    if type(estimator) is Pipeline:
        *before, (_, last) = estimator.steps
    known = KNOWN[:2] if before else KNOWN
    if type(last) not in known:
        names = ", ".join(cls.__name__ for cls in known)
        raise TypeError(
            f"estimator {'ends in' if before else 'is'} a {type(last).__name__}; only "
            f"{names} can be exported, and no class derived from them."
        )
    check_is_fitted(last)
    _check_options(last, dtype, include_backbone, image_size)
    target = checked_target(path)
    require_onnx()
    model = _model(last, before, dtype, include_backbone, image_size)
    common = {
        "class": type(last).__name__,
        "neuraleig_version": __version__,
        "torch_version": str(torch.__version__),
    }
    write_onnx(replace(model, metadata={**common, **model.metadata}), target)


def _model(
    estimator: Exportable,
    before: Sequence[tuple[str, Any]],
    dtype: str,
    include_backbone: bool,
    image_size: tuple[int, int] | None,
) -> Model:
    if not isinstance(estimator, DenseSegmenter):
        return _row_model.row_model(estimator, dtype, before)
    if not include_backbone:
        return _token_model.token_model(estimator)
    return _token_model.image_model(estimator, dtype, image_size)


def _check_options(
    estimator: Exportable,
    dtype: str,
    include_backbone: bool,
    image_size: tuple[int, int] | None,
) -> None:
    """Raise a ValueError if an option does not fit the estimator."""
    types = ["float32"]
    if not isinstance(estimator, DenseSegmenter):
        types = list(_row_model.DTYPES)
        if include_backbone:
            raise ValueError(
                f"include_backbone={include_backbone!r} is for DenseSegmenter; a "
                f"{type(estimator).__name__} has no backbone."
            )
    elif include_backbone:
        types = list(_token_model.DTYPES)
    if dtype not in types:
        raise ValueError(
            f"dtype={dtype!r} is not supported for the input of this model; it must be "
            f"one of {', '.join(map(repr, types))}."
        )
    if image_size is None:
        return
    if not isinstance(estimator, DenseSegmenter) or not include_backbone:
        raise ValueError(
            f"image_size={image_size!r} is for models whose input are images; pass "
            "include_backbone=True with a DenseSegmenter, or leave it out."
        )
    _check_size(image_size, estimator.backbone_.patch_size)


def _check_size(image_size: tuple[int, int], patch_size: int) -> None:
    is_pair = isinstance(image_size, tuple | list) and len(image_size) == 2
    if not is_pair or any(
        isinstance(side, bool)
        or not isinstance(side, Integral)
        or side <= 0
        or side % patch_size
        for side in image_size
    ):
        raise ValueError(
            f"image_size={image_size!r} must be two positive multiples of the patch "
            f"size {patch_size}: height and width."
        )
