"""Saving and loading: which classes, and what each of them keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.utils.validation import check_is_fitted

from neuraleig._version import __version__
from neuraleig.persistence._backbones import Brought
from neuraleig.persistence._model_file import ModelFile, State, read_model, write_model
from neuraleig.persistence._segmenter import segmenter_from, segmenter_state
from neuraleig.segmentation import DenseSegmenter
from neuraleig.training import resolve_device


@dataclass(frozen=True)
class Format:
    """How the estimators of one class are kept.

    Parameters
    ----------
    estimator : type
        The class.
    state : callable
        From a fitted estimator to its state.
    restore : callable
        From a file, what the user brings and a device to the estimator.
    """

    estimator: type
    state: Callable[[Any], State]
    restore: Callable[[ModelFile, Brought, torch.device], Any]


FORMATS = {
    "DenseSegmenter": Format(DenseSegmenter, segmenter_state, segmenter_from),
}


def save(estimator: DenseSegmenter, path: str | PathLike[str]) -> None:
    """Save a fitted estimator.

    Parameters
    ----------
    estimator : DenseSegmenter
        Fitted.
    path : str or PathLike
        File, by convention ``*.safetensors``; one that is there is replaced. Its
        folder must exist.

    Raises
    ------
    TypeError
        If the estimator is of another class, a subclass included, or a parameter is
        an object that cannot be stored.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written; one that was there is then as it was.

    Notes
    -----
    The file is one of safetensors with JSON in its header. It holds the network, the
    eigenvalues, names and groups of clusters, the sizes at which images are seen and
    the parameters; nothing of the data, no code, and of the frozen backbone its name,
    layers and fingerprint, not its weights. ``callbacks`` are left out, as is a
    ``random_state`` that is a generator; both load as ``None``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_sample_images
    >>> import neuraleig
    >>> image = load_sample_images().images[0][:96, :128]
    >>> model = neuraleig.DenseSegmenter(
    ...     3, backbone="color_texture", hidden_size=16, n_heads=1, random_state=0
    ... ).fit([image])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     neuraleig.save(model, path)
    ...     loaded = neuraleig.load(path)
    >>> bool((loaded.predict(image) == model.predict(image)).all())
    True
    """
    name = type(estimator).__name__
    if name not in FORMATS or FORMATS[name].estimator is not type(estimator):
        raise TypeError(
            f"estimator is a {name}; only {', '.join(FORMATS)} can be saved, and no "
            "class derived from it."
        )
    check_is_fitted(estimator)
    write_model(Path(path), name, _versions(), FORMATS[name].state(estimator))


def load(
    path: str | PathLike[str],
    *,
    backbone: Callable[..., Any] | None = None,
    device: str = "auto",
    checkpoint: str | PathLike[str] | None = None,
) -> DenseSegmenter:
    """Load an estimator that was saved.

    Parameters
    ----------
    path : str or PathLike
        What :func:`save` wrote.
    backbone : callable, Backbone or None, default=None
        The backbone of the fit, where it was one of your own. Others are made anew:
        weights of timm models are fetched, read from the file that the fit read, or
        drawn from the same seed.
    device : str, default="auto"
        ``"auto"`` (CUDA where present) or a name that torch knows: where the estimator
        is to run from now on, whatever it was fitted on; its parameter ``device``.
    checkpoint : str, PathLike or None, default=None
        File of the weights of a timm model to read instead.

    Returns
    -------
    estimator : DenseSegmenter
        Fitted. On the same kind of device it predicts what the saved one does, bit
        for bit.

    Raises
    ------
    ModelFileError
        A :class:`ValueError`: if the file is not one of a model, is damaged or of
        another version, or the backbone is not the one of the fit.
    OSError
        If the file or the weights of the backbone cannot be read or fetched.
    ImportError
        If the backbone needs timm, which is not installed.

    Notes
    -----
    Loading runs no code from the file. It may read or fetch weights by the name that
    the file gives.

    Examples
    --------
    See :func:`save`.
    """
    where = resolve_device(device)
    file = read_model(Path(path))
    if file.class_name not in FORMATS:
        raise file.refusal(
            f"holds a {file.class_name!r}, which this version of neuraleig cannot "
            f"load; it knows {', '.join(FORMATS)}"
        )
    estimator: DenseSegmenter = FORMATS[file.class_name].restore(
        file, Brought(backbone, checkpoint), where
    )
    estimator.device = device
    return estimator


def _versions() -> dict[str, str]:
    """Libraries that decide what a model says."""
    return {
        "neuraleig": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
