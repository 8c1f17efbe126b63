"""Fitted pipelines that end in an estimator of rows, as trees."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from neuraleig._interchange import data_frame
from neuraleig._sklearn import column_places, transform_output
from neuraleig._tree_file import DAMAGES, brief
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.persistence._forms import (
    FLAG,
    check,
    choice,
)
from neuraleig.persistence._parameters import Brought
from neuraleig.persistence._plain_file import UnusableError
from neuraleig.persistence._row_estimators import (
    packed_row_estimator,
    row_estimator_of,
)
from neuraleig.persistence._schemas import (
    COLUMNS,
    DROP,
    FORM,
    PASSTHROUGH,
    PIPELINE,
    STEPS,
)
from neuraleig.persistence._transformers import (
    KINDS,
    Inputs,
    Kind,
    fit,
    packed_options,
    with_options,
)

LAST_KINDS = {
    kind.__name__: kind
    for kind in (NeuralEigenSpectralClustering, NeuralSpectralEmbedding)
}


class Stand(BaseEstimator):
    """Stands for a fitted step where a transformer of columns would fit it again.

    Parameters
    ----------
    made : BaseEstimator
        Fitted step.
    width : int
        Number of its outputs.
    """

    def __init__(self, made: Any, width: int) -> None:  # noqa: ANN401
        self.made = made
        self.width = width

    def __sklearn_clone__(self) -> Stand:
        return self

    def fit(self, X: Any, y: None = None) -> Stand:  # noqa: ANN401
        """Leave the step as it is."""
        return self

    def transform(self, X: Any) -> Any:  # noqa: ANN401
        """Return as many outputs as the step has."""
        return np.zeros((len(X), self.width))


def packed_pipeline(pipeline: Pipeline) -> dict[str, Any]:
    """Tree of a fitted pipeline.

    Raises
    ------
    TypeError
        If a step is of another class, or holds what files cannot hold.
    ValueError
        If the steps would not load again.
    """
    name, last = pipeline.steps[-1]
    kind = type(last).__name__
    if LAST_KINDS.get(kind) is not type(last):
        raise TypeError(
            f"the last step of the pipeline is a {kind}; only pipelines that end in "
            f"one of {', '.join(LAST_KINDS)} can be saved."
        )
    check_is_fitted(last)
    n_features = next(
        step.n_features_in_
        for _, step in pipeline.steps
        if hasattr(step, "n_features_in_")
    )
    names = getattr(pipeline, "feature_names_in_", None)
    others = copy.copy(pipeline)
    others.steps = pipeline.steps[:-1]
    tree = {
        "n_features": int(n_features),
        "feature_names": None if names is None else names.tolist(),
        "before": packed_step(others, ""),
        "name": name,
        "class": kind,
        "estimator": packed_row_estimator(last),
    }
    try:
        check(tree, PIPELINE, "pipeline")
        _steps_of(tree)
    except (*DAMAGES, UnusableError) as error:
        raise ValueError(
            f"the steps of the pipeline cannot be stored ({brief(error)}); save the "
            f"last step alone, and prepare the rows for it."
        ) from error
    return tree


def pipeline_of(
    tree: dict[str, Any], brought: Brought, device: torch.device
) -> Pipeline:
    """Fitted pipeline of a tree, its last step on a device."""
    check(tree, PIPELINE, "content")
    pipeline, width = _steps_of(tree)
    last = row_estimator_of(
        LAST_KINDS[tree["class"]], tree["estimator"], brought, device
    )
    if last.n_features_in_ != width:
        raise ValueError(
            f"its steps return {width} features, and its last takes others"
        )
    pipeline.steps.append((tree["name"], last))
    return pipeline


def _steps_of(tree: dict[str, Any]) -> tuple[Pipeline, int]:
    """All steps but the last, and the number of their outputs."""
    if tree["before"].get("kind") != Pipeline.__name__:
        raise ValueError("its steps are not those of a pipeline")
    # Witnesses do not concern the user: neither their outputs nor what they warn of.
    with (
        config_context(transform_output="default", enable_metadata_routing=False),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        pipeline, width = step_of(tree["before"], Inputs(tree["n_features"]))
    return pipeline, width


def packed_step(step: Any, path: str) -> Any:  # noqa: ANN401
    """Tree of a fitted step at a path, for errors."""
    if step is None or isinstance(step, str):
        return PASSTHROUGH
    name = type(step).__name__
    kind = ALL.get(name)
    if kind is None or kind.made is not type(step):
        raise TypeError(
            f"the step {path!r} is a {name}, which files cannot hold; they hold "
            f"{', '.join(ALL)}. Save the last step of the pipeline alone and prepare "
            "the rows for it, or store the pipeline by other means."
        )
    names = None
    if kind.made is not Pipeline:
        check_is_fitted(step)
        names = getattr(step, "feature_names_in_", None)
    return {
        "kind": name,
        "parameters": packed_options(kind, step),
        "learned": kind.packed(step, path),
        "feature_names": None if names is None else names.tolist(),
        "transform_output": transform_output(step),
    }


def step_of(tree: Any, inputs: Inputs) -> tuple[Any, int]:  # noqa: ANN401
    """Fitted step of a tree for inputs, and the number of its outputs."""
    if isinstance(tree, str) and tree == PASSTHROUGH:
        return tree, inputs.number
    check(tree, FORM, "step")
    check(tree["kind"], choice(ALL), "step.kind")
    kind, names = ALL[tree["kind"]], tree["feature_names"]
    if names is not None and not len(names) == len(set(names)) == inputs.number:
        raise ValueError(f"{tree['kind']} has not one name for each of its features")
    made = with_options(kind, tree["parameters"])
    width = kind.fitted(made, tree["learned"], inputs._replace(names=names))
    if kind.made is not Pipeline and names is not None:
        made.feature_names_in_ = np.array(names, dtype=object)
    if tree["transform_output"] is not None:
        made.set_output(transform=tree["transform_output"])
    return made, width


def _packed_steps(made: Pipeline, path: str) -> dict[str, Any]:
    steps = [
        {"name": name, "step": packed_step(step, f"{path}__{name}".removeprefix("__"))}
        for name, step in made.steps
    ]
    return {"steps": steps}


def _fitted_steps(made: Any, tree: Any, inputs: Inputs) -> int:  # noqa: ANN401
    check(tree, STEPS, "learned")
    width = inputs.number
    made.steps = []
    for part in tree["steps"]:
        step, width = step_of(part["step"], Inputs(width))
        made.steps.append((part["name"], step))
    return width


def _packed_columns(made: ColumnTransformer, path: str) -> dict[str, Any]:
    places, parts = column_places(made), []
    asked = [step for _, step, _ in made.transformers] + [made.remainder]
    # Without remaining columns nothing is left of their step.
    for part, (name, fitted, _) in zip(asked, made.transformers_, strict=False):
        columns = np.asarray(places[name], np.int64)
        step = part if isinstance(part, str) else DROP
        # Of no columns nothing was fitted.
        if columns.size and not isinstance(part, str):
            step = packed_step(fitted, f"{path}__{name}".removeprefix("__"))
        parts.append({"step": step, "columns": columns})
    rest = {"step": DROP, "columns": np.empty(0, np.int64)}
    n_parts = len(made.transformers)
    # Of no outputs nothing is known.
    is_sparse = getattr(made, "sparse_output_", None)
    known = zip(parts[:n_parts], made.transformers_, strict=False)
    return {
        "parts": [
            part | {"name": name, "named": _are_names(columns)}
            for part, (name, _, columns) in known
        ],
        "remainder": next(iter(parts[n_parts:]), rest),
        "sparse_output": None if is_sparse is None else bool(is_sparse),
    }


def _are_names(columns: Any) -> bool:  # noqa: ANN401
    """Whether a transformer of columns was given their names."""
    if isinstance(columns, slice):
        columns = [columns.start, columns.stop]
    return any(isinstance(column, str) for column in columns)


def _fitted_columns(made: Any, tree: Any, inputs: Inputs) -> int:  # noqa: ANN401
    """Fit a transformer of columns with steps that are fitted already."""
    check(tree, COLUMNS, "learned")
    # A text is a format, which can ask for any memory.
    check(made.verbose_feature_names_out, FLAG, "verbose_feature_names_out")
    parts = []
    for part in tree["parts"]:
        stand = _stand_of(part, inputs.number)
        columns = part["columns"].tolist()
        if part["named"]:
            if inputs.names is None:
                raise ValueError("it selects columns by names that it does not have")
            columns = [inputs.names[place] for place in columns]
        parts.append((part["name"], stand, columns))
    rest = _stand_of(tree["remainder"], inputs.number)
    asked = {"transformers": parts, "remainder": rest, "verbose": False}
    width = fit(made, _row(inputs), **asked)
    if column_places(made)["remainder"] != tree["remainder"]["columns"].tolist():
        raise ValueError("its remaining columns are not those of its features")
    made.transformers = [(name, _made(step), columns) for name, step, columns in parts]
    made.remainder = _made(rest)
    made.transformers_ = [(n, _made(step), c) for n, step, c in made.transformers_]
    if tree["sparse_output"] is not None:
        made.sparse_output_ = tree["sparse_output"]
    return width


def _stand_of(part: dict[str, Any], n_features: int) -> Any:  # noqa: ANN401
    """Stand for the step of some columns."""
    columns = part["columns"]
    if columns.size and not 0 <= columns.min() <= columns.max() < n_features:
        raise ValueError(f"it has columns beyond {n_features} features")
    if isinstance(part["step"], str):
        return part["step"]
    return Stand(*step_of(part["step"], Inputs(columns.size)))


def _made(step: Any) -> Any:  # noqa: ANN401
    return step.made if isinstance(step, Stand) else step


def _row(inputs: Inputs) -> Any:  # noqa: ANN401
    """Row of zeros, as a frame if features have names."""
    if inputs.names is None:
        return np.zeros((1, inputs.number))
    try:
        return data_frame({name: [0.0] for name in inputs.names})
    except ImportError as error:
        raise UnusableError(
            "selects columns of data frames; install pandas or polars"
        ) from error


ALL = KINDS | {
    "Pipeline": Kind(
        Pipeline, _packed_steps, _fitted_steps, {"steps": [], "memory": None}
    ),
    "ColumnTransformer": Kind(
        ColumnTransformer,
        _packed_columns,
        _fitted_columns,
        {"transformers": [], "remainder": DROP, "n_jobs": None},
    ),
}
