"""Descriptions of model files, without making the models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from torch import Tensor

from neuraleig.persistence._forms import NUMBER, check, choice
from neuraleig.persistence._model_file import ModelFile, checked, read_model
from neuraleig.persistence._networks import NETWORK
from neuraleig.persistence._parameters import COMPONENTS, Brought, Missing, estimator_of
from neuraleig.persistence._pipelines import PIPELINE, steps_text
from neuraleig.persistence._registry import ESTIMATORS
from neuraleig.persistence._row_estimators import CLUSTERING, EMBEDDING
from neuraleig.persistence._segmenter import SEGMENTER

FORMS = {
    "NeuralEigenSpectralClustering": CLUSTERING,
    "NeuralSpectralEmbedding": EMBEDDING,
    "DenseSegmenter": SEGMENTER,
}


@dataclass(frozen=True)
class ModelDescription:
    """Description of a model in a file.

    Parameters
    ----------
    class_name : str
        Class of the estimator; of a pipeline that of its last step, of which all
        further entries are.
    steps : list of str or None
        Steps of a pipeline before the last one; ``None`` for an estimator.
    versions : dict of str to str
        Versions of the libraries that wrote it.
    parameters : dict of str to object
        Parameters of the estimator, those of components as ``training__lr``; names of
        functions and of the classes of components.
    n_features : int or None
        Features of a row, as a pipeline takes it; ``None`` for images.
    feature_names : list of str or None
        Their names, where the rows of the fit had any.
    n_clusters : int or None
        Number of clusters; ``None`` for an embedding.
    cluster_names : dict of int to str
        Names of clusters.
    n_components : int
        Number of eigenfunctions, the constant one included.
    curve : dict of str to list, or None
        Values of ``cluster_curve_`` by name; ``None`` for a model without.
    eigenvalues : list of float
        Rayleigh quotients of the learned functions.
    graph_eigenvalues : list of float
        Exact eigenvalues of the graph.
    fit : dict of str to float
        Further numbers of the fit by the names of the attributes; of a segmenter also
        those of its ``clusterer_``.
    n_weights : int
        Numbers in the file.
    """

    class_name: str
    steps: list[str] | None
    versions: dict[str, str]
    parameters: dict[str, Any]
    n_features: int | None
    feature_names: list[str] | None
    n_clusters: int | None
    cluster_names: dict[int, str]
    n_components: int
    curve: dict[str, list[float]] | None
    eigenvalues: list[float]
    graph_eigenvalues: list[float]
    fit: dict[str, float]
    n_weights: int


def describe(path: str | PathLike[str]) -> ModelDescription:
    """Describe the model in a file.

    Parameters
    ----------
    path : str or PathLike
        File that :func:`save` wrote.

    Returns
    -------
    description : ModelDescription
        No backbone is read or fetched, and no function of the fit is needed.

    Raises
    ------
    ModelFileError
        If the file is not a model, is damaged or of another schema.
    OSError
        If it cannot be read.

    Notes
    -----
    The whole file is read, since its hash is checked.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_moons
    >>> import neuraleig
    >>> from neuraleig.persistence import describe
    >>> X, _ = make_moons(200, noise=0.05, random_state=0)
    >>> model = neuraleig.NeuralEigenSpectralClustering(2, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     neuraleig.save(model, path)
    ...     found = describe(path)
    >>> found.class_name, found.n_features, found.n_clusters
    ('NeuralEigenSpectralClustering', 2, 2)
    """
    file = read_model(Path(path))
    with checked(Path(path)):
        if file.class_name == Pipeline.__name__:
            return _described_pipeline(file)
        return _described(file)


def changed_parameters(found: ModelDescription) -> dict[str, Any]:
    """Parameters that are not at their defaults."""
    changed = {}
    for path, value in found.parameters.items():
        owner, _, name = path.rpartition("__")
        kind = (
            COMPONENTS[found.parameters[owner]]
            if owner
            else ESTIMATORS[found.class_name]
        )
        known = signature(kind).parameters
        if name not in known or value != known[name].default:
            changed[path] = value
    return changed


def _described_pipeline(file: ModelFile) -> ModelDescription:
    tree = file.tree
    check(tree, PIPELINE, "content")
    return replace(
        _described(replace(file, class_name=tree["class"], tree=tree["estimator"])),
        steps=steps_text(tree["before"]),
        n_features=tree["n_features"],
        feature_names=tree["feature_names"],
        n_weights=_count(tree),
    )


def _described(file: ModelFile) -> ModelDescription:
    tree = file.tree
    check(file.class_name, choice(FORMS), "class")
    check(tree, FORMS[file.class_name], "content")
    kind = ESTIMATORS[file.class_name]
    estimator = estimator_of(kind, tree["parameters"], Brought())
    of_images = file.class_name == "DenseSegmenter"
    fit, own = dict(tree["fit"]), tree
    if of_images:
        own = tree["clusterer"]
        check(own, CLUSTERING, "content.clusterer")
        fit = own["fit"] | fit
    check(own["network"], NETWORK, "network")
    network = own["network"]
    weights = network["weights"]
    eigenvalues = weights["eigenvalues"].double().tolist()
    check(eigenvalues, [NUMBER], "eigenvalues")
    curve = own.get("curve")
    # Merged clusters of a segmenter are fewer than those of its network.
    n_clusters = fit.pop("n_clusters_", network["n_clusters"])
    return ModelDescription(
        class_name=file.class_name,
        steps=None,
        versions={name: str(value) for name, value in file.versions.items()},
        parameters={n: _plain(v) for n, v in sorted(estimator.get_params().items())},
        n_features=None if of_images else len(own.get("projection", weights["shift"])),
        feature_names=tree.get("feature_names"),
        n_clusters=None if FORMS[file.class_name] is EMBEDDING else n_clusters,
        cluster_names=tree.get("cluster_names", {}),
        n_components=len(eigenvalues),
        curve=curve and {name: values.tolist() for name, values in curve.items()},
        eigenvalues=eigenvalues,
        graph_eigenvalues=own["graph_eigenvalues_"].tolist(),
        fit=fit,
        n_weights=_count(tree),
    )


def _count(tree: Any) -> int:  # noqa: ANN401
    """Numbers in the arrays of a tree."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return sum(map(_count, tree))
    if isinstance(tree, np.ndarray):
        return tree.size
    return tree.numel() if isinstance(tree, Tensor) else 0


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Parameter in plain values: names of functions, and of the class of components."""
    if isinstance(value, Missing):
        return value.name
    return type(value).__name__ if isinstance(value, BaseEstimator) else value
