"""Export of fitted estimators: which, with which options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from os import PathLike
from pathlib import Path

import torch
from sklearn.utils.validation import check_is_fitted

from neuraleig._version import __version__
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.onnx import _row_model, _token_model
from neuraleig.onnx._model import Model
from neuraleig.onnx._writer import require_onnx, write_onnx
from neuraleig.segmentation import DenseSegmenter

Exportable = NeuralEigenSpectralClustering | NeuralSpectralEmbedding | DenseSegmenter
ROWS = NeuralEigenSpectralClustering, NeuralSpectralEmbedding


def export_onnx(
    estimator: Exportable,
    path: str | PathLike[str],
    *,
    dtype: str = "float32",
    include_backbone: bool = False,
    image_size: tuple[int, int] | None = None,
) -> None:
    """Write a fitted estimator as an ONNX model, for prediction without torch.

    Parameters
    ----------
    estimator : NeuralEigenSpectralClustering, NeuralSpectralEmbedding or DenseSegmenter
        Fitted. It stays as it is, on whatever device.
    path : str or PathLike
        File, by convention ``*.onnx``; one that is there is replaced. Its folder must
        exist.
    dtype : {"float32", "float64", "uint8"}, default="float32"
        Type of the input: ``"float64"`` for rows whose differences float32 cannot
        hold, ``"uint8"`` for images of bytes.
    include_backbone : bool, default=False
        For a segmenter, begin with images instead of the features of their tokens.
    image_size : (int, int) or None, default=None
        Height and width of these images in pixels, multiples of the patch size, where
        the backbone can only be exported for one size. ``None``: any.

    Raises
    ------
    ImportError
        If the extra ``onnx`` is not installed.
    TypeError
        If the estimator is of another class, a subclass included.
    NotFittedError
        If it is not fitted.
    ValueError
        If an option does not suit the estimator, if torch cannot export a network or
        backbone of your own, or if the weights are 2 GB or more.
    OSError
        If the file cannot be written; one that was there is then as it was.

    Notes
    -----
    The model is one file of operators of version 18. Estimators of rows take ``X``
    (n_rows, n_features), and give ``labels`` (int64), ``probabilities`` and
    ``functions``; an embedding gives ``functions`` alone. A segmenter takes
    ``features`` (n_windows, rows, columns, n_features), or ``images`` (n_windows, 3,
    height, width), RGB in [0, 1], and gives ``labels``, ``probabilities``, ``scores``
    and ``functions`` of every token. Inputs are not checked.

    Takes some seconds, and memory of twice the weights.

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
    _check_class(estimator)
    check_is_fitted(estimator)
    _check_options(estimator, dtype, include_backbone, image_size)
    target = _checked_path(path)
    require_onnx()
    model = _model(estimator, dtype, include_backbone, image_size)
    common = {
        "class": type(estimator).__name__,
        "neuraleig_version": __version__,
        "torch_version": str(torch.__version__),
    }
    write_onnx(replace(model, metadata={**common, **model.metadata}), target)


def _model(
    estimator: Exportable,
    dtype: str,
    include_backbone: bool,
    image_size: tuple[int, int] | None,
) -> Model:
    """What is exported."""
    if not isinstance(estimator, DenseSegmenter):
        return _row_model.row_model(estimator, dtype)
    if not include_backbone:
        return _token_model.token_model(estimator)
    return _token_model.image_model(estimator, dtype, image_size)


def _check_class(estimator: object) -> None:
    known = (*ROWS, DenseSegmenter)
    if type(estimator) not in known:
        names = ", ".join(cls.__name__ for cls in known)
        raise TypeError(
            f"estimator is a {type(estimator).__name__}; only {names} can be exported, "
            "and no class derived from them."
        )


def _check_options(
    estimator: Exportable,
    dtype: str,
    include_backbone: bool,
    image_size: tuple[int, int] | None,
) -> None:
    """Refuse options that do not suit the estimator."""
    if include_backbone and not isinstance(estimator, DenseSegmenter):
        raise ValueError(
            f"include_backbone={include_backbone!r} is for DenseSegmenter; a "
            f"{type(estimator).__name__} has no backbone."
        )
    types: Sequence[str] = ["float32"]
    if not isinstance(estimator, DenseSegmenter):
        types = list(_row_model.DTYPES)
    elif include_backbone:
        types = list(_token_model.DTYPES)
    if dtype not in types:
        raise ValueError(
            f"dtype={dtype!r} is no type of this model's input; it must be one of "
            f"{', '.join(map(repr, types))}."
        )
    if image_size is None:
        return
    if not isinstance(estimator, DenseSegmenter) or not include_backbone:
        raise ValueError(
            f"image_size={image_size!r} is for models that begin with images; pass "
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


def _checked_path(path: str | PathLike[str]) -> Path:
    """Path of the file; refused before any work where it cannot be written."""
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path={str(path)!r} is in a folder that does not exist; make it first."
        )
    if target.is_dir():
        raise IsADirectoryError(f"path={str(path)!r} is a folder; pass a file in it.")
    return target
