"""Former models whose numbers of clusters a fit follows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import Array
from neuraleig.reading._alignment import FormerClusters

if TYPE_CHECKING:
    from neuraleig.estimators._prediction import ClusterPredictor

Model = TypeVar("Model", bound=BaseEstimator)
FindFormer = Callable[[Array], FormerClusters]
"""Finds the clusters of a former model at checked rows."""
# Names that an error lists.
LISTED = 6


def former_model(
    align_to: object,
    kind: type[Model],
    **how: Any,  # noqa: ANN401 - options of load
) -> Model:
    """Former model of a fit, of a class: the value of ``align_to``, or its file.

    Parameters
    ----------
    align_to : estimator, str or PathLike
        Fitted estimator, or the file of one.
    kind : type
        Class that it must be of.
    **how
        Options of :func:`neuraleig.load`.

    Returns
    -------
    model : estimator
        A copy: the fit may be that of the very estimator.

    Raises
    ------
    ValueError
        If it is of another class, cannot be loaded, or is not fitted.
    """
    wanted = f"pass a fitted {kind.__name__}, or the file of one"
    found = align_to
    if isinstance(align_to, str | PathLike):
        # Most fits read no file, and persistence imports the estimators.
        from neuraleig.persistence import describe, load

        try:
            name = describe(align_to).class_name
            if name != kind.__name__:
                raise ValueError(f"it holds a {name}")
            found = load(align_to, **how)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{shown(align_to)} cannot be loaded: {str(error).rstrip('.')}; pass "
                f"the file of a fitted {kind.__name__}, or the model itself."
            ) from error
    if not isinstance(found, kind):
        raise ValueError(
            f"{shown(align_to)} is of type {type(found).__name__}; {wanted}. Of a "
            "pipeline pass the last step."
        )
    try:
        check_is_fitted(found)
    except NotFittedError as error:
        raise NotFittedError(f"{shown(align_to)} is not fitted; {wanted}.") from error
    return copy.copy(found)


def clusters_of(former: ClusterPredictor) -> FindFormer:
    """Clusters of a fitted model, at rows that are as it takes them."""
    return lambda rows: FormerClusters(
        former._labels_at(rows), former.n_clusters_, former.cluster_names_
    )


def find_former(
    estimator: ClusterPredictor, align_to: object, kind: type[ClusterPredictor]
) -> FindFormer | None:
    """Clusters of the former model of a fit to rows, if there is one.

    What is returned refuses rows of other features than those of the model.
    """
    if align_to is None:
        return None
    former = former_model(align_to, kind, device=estimator.device)
    find = clusters_of(former)

    def checked(rows: Array) -> FormerClusters:
        n_former, n_features = int(former.n_features_in_), rows.shape[1]
        if n_former != n_features:
            raise ValueError(
                f"{shown(align_to)} was fitted with {n_former} features, and X has "
                f"{n_features}; pass a model of the same features, or leave it out."
            )
        before, now = (
            list(getattr(model, "feature_names_in_", ()))
            for model in (former, estimator)
        )
        if before and now and before != now:
            raise ValueError(
                f"{shown(align_to)} was fitted to the features {_few(before)}, and X "
                f"has {_few(now)}; pass those in their order, or leave align_to out."
            )
        return find(rows)

    return checked


def shown(align_to: object) -> str:
    """Argument in an error."""
    is_path = isinstance(align_to, PathLike)
    return f"align_to={str(align_to) if is_path else align_to!r}"


def _few(names: list[str]) -> str:
    more = ", ..." if len(names) > LISTED else ""
    return ", ".join(map(str, names[:LISTED])) + more
