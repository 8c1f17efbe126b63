"""Former models whose numbers of clusters a fit follows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import AnyRows
from neuraleig.reading._alignment import FormerClusters

if TYPE_CHECKING:
    from neuraleig.estimators._prediction import ClusterPredictor

Model = TypeVar("Model", bound=BaseEstimator)
FindFormer = Callable[[AnyRows], FormerClusters | None]
"""Finds the clusters of a former model, if there is one, at checked rows."""
# Names that an error lists.
LISTED = 6


def former_model(align_to: object, kind: type[Model]) -> Callable[..., Model] | None:
    """Function that returns the former model of a fit, or loads its file.

    Most errors of ``align_to`` are raised here, and those of a file by the function.

    Parameters
    ----------
    align_to : estimator, str, PathLike or None
        Fitted estimator, or the file of one.
    kind : type
        Class that it must be of.

    Returns
    -------
    get : callable or None
        Takes options of :func:`neuraleig.load`, and returns the model: a copy, since
        the fit may be that of the very estimator. ``None`` without one.

    Raises
    ------
    ValueError
        If it is neither a path nor of this class, or is not fitted.
    """
    if align_to is None:
        return None
    if isinstance(align_to, str | PathLike):
        return partial(_loaded, align_to, kind)
    wanted = f"pass a fitted {kind.__name__}, or the file of one"
    if not isinstance(align_to, kind):
        raise ValueError(
            f"align_to is of type {type(align_to).__name__}; {wanted}. Of a pipeline "
            "pass the last step."
        )
    try:
        check_is_fitted(align_to)
    except NotFittedError as error:
        raise NotFittedError(f"{shown(align_to)} is not fitted; {wanted}.") from error
    former = copy.copy(align_to)
    return lambda **_: former


def _loaded(path: str | PathLike[str], kind: type[Model], **how: Any) -> Model:  # noqa: ANN401
    """Model from the file of one of a class."""
    # Most fits read no file, and persistence imports the estimators.
    from neuraleig.persistence import describe, load

    try:
        found = describe(path)
        name = found.class_name if found.steps is None else "Pipeline"
        if name != kind.__name__:
            raise ValueError(f"it holds a {name}")
        model: Model = load(path, **how)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{shown(path)} cannot be loaded: {str(error).rstrip('.')}; pass the file "
            f"of a fitted {kind.__name__}."
        ) from error
    return model


def clusters_of(former: ClusterPredictor) -> FindFormer:
    """Clusters of a fitted model, at rows that are as it takes them."""
    return lambda rows: FormerClusters(
        former._labels_at(rows), former.n_clusters_, former.cluster_names_
    )


def find_former(
    estimator: ClusterPredictor, align_to: object, kind: type[ClusterPredictor]
) -> FindFormer | None:
    """Clusters of the former model of a fit to rows, if there is one.

    What is returned loads the file of a model, and refuses rows of other features.
    """
    get = former_model(align_to, kind)
    if get is None:
        return None

    def find(rows: AnyRows) -> FormerClusters | None:
        former = get(device=estimator.device)
        _check_features(former, estimator, align_to)
        return clusters_of(former)(rows)

    return find


def _check_features(
    former: ClusterPredictor, estimator: ClusterPredictor, align_to: object
) -> None:
    """Refuse a former model of other features than those of a fit that has begun."""
    n_former, n_features = former.n_features_in_, estimator.n_features_in_
    if n_former != n_features:
        raise ValueError(
            f"{shown(align_to)} was fitted with {n_former} features, and X has "
            f"{n_features}; pass a model of the same features, or leave it out."
        )
    before, now = (
        list(getattr(model, "feature_names_in_", ())) for model in (former, estimator)
    )
    if before and now and before != now:
        raise ValueError(
            f"{shown(align_to)} was fitted to the features {_few(before)}, and X "
            f"has {_few(now)}; pass those in their order, or leave align_to out."
        )


def shown(align_to: object) -> str:
    """Argument in an error: a path, or the type of a model, whose text may be long."""
    if isinstance(align_to, str | PathLike):
        return f"align_to={str(align_to)!r}"
    return f"align_to={type(align_to).__name__}(...)"


def _few(names: list[str]) -> str:
    more = ", ..." if len(names) > LISTED else ""
    return ", ".join(map(str, names[:LISTED])) + more
