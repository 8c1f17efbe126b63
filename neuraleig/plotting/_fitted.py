"""What a display reads off a fitted estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import FloatArray


def eigenvalues_of(
    estimator: Any,  # noqa: ANN401 - duck-typed
    attribute: str = "eigenvalues_",
) -> FloatArray:
    """Eigenvalues of a fitted estimator, or of the last step of a pipeline.

    Parameters
    ----------
    estimator : estimator
        With that attribute.
    attribute : {"eigenvalues_", "graph_eigenvalues_"}
        Those of the learned functions, or the exact ones of the graph.

    Returns
    -------
    eigenvalues : ndarray of shape (n_components,)
        That of the constant first.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it has no eigenvalues.
    """
    step = final_step(estimator)
    check_is_fitted(step)
    if not hasattr(step, attribute):
        raise TypeError(
            f"estimator is of type {type(step).__name__}, which has no "
            f"{attribute}; it must be a NeuralEigenSpectralClustering, a "
            "NeuralSpectralEmbedding or a pipeline that ends in one."
        )
    return np.asarray(getattr(step, attribute), dtype=np.float64)


def final_step(estimator: Any) -> Any:  # noqa: ANN401 - duck-typed
    """Last step of a pipeline; anything else is returned as it is."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator
