"""Descriptions of model files, without making the models."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from neuraleig._tree_file import Stored, unpacked
from neuraleig.persistence._forms import NUMBER, RECORD, TEXT, check, choice, shown
from neuraleig.persistence._plain_file import ModelFile, checked, read_file
from neuraleig.persistence._schemas import (
    CLUSTERING,
    EMBEDDING,
    FORMS,
    NETWORK,
    PIPELINE,
    STEPS_INSIDE,
    steps_text,
)

# Parameters and defaults of estimators and components, by their classes.
DEFAULTS = Path(__file__).with_name("defaults.json")
PLAIN = (bool, int, float, str, type(None))


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
    The whole file is read, since its hash is checked. Neither torch nor scikit-learn is
    imported; values of parameters are checked when the model is loaded.

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
    file = read_file(Path(path))
    with checked(Path(path)):
        if file.class_name == STEPS_INSIDE:
            return _described_pipeline(file)
        return _described(file)


@cache
def _defaults() -> dict[str, dict[str, Any]]:
    text = DEFAULTS.read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = unpacked(json.loads(text), {})
    return found


def changed_parameters(found: ModelDescription) -> dict[str, Any]:
    """Parameters that are not at their defaults."""
    changed = {}
    for path, value in found.parameters.items():
        owner, _, name = path.rpartition("__")
        known = _defaults()[found.parameters[owner] if owner else found.class_name]
        if name not in known or value != known[name]:
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
    parameters = _parameters(file.class_name, tree["parameters"], "")
    of_images = file.class_name == "DenseSegmenter"
    fit, own = dict(tree["fit"]), tree
    if of_images:
        own = tree["clusterer"]
        check(own, CLUSTERING, "content.clusterer")
        fit = own["fit"] | fit
    check(own["network"], NETWORK, "network")
    network = own["network"]
    weights = network["weights"]
    eigenvalues = list(weights["eigenvalues"].values())
    check(eigenvalues, [NUMBER], "eigenvalues")
    # What rows are multiplied by, or the units of their features.
    taken = own.get("projection", weights["shift"])
    curve = own.get("curve")
    # Merged clusters of a segmenter are fewer than those of its network.
    n_clusters = fit.pop("n_clusters_", network["n_clusters"])
    return ModelDescription(
        class_name=file.class_name,
        steps=None,
        versions={name: str(value) for name, value in file.versions.items()},
        parameters=dict(sorted(parameters.items())),
        n_features=None if of_images else taken.shape[0],
        feature_names=tree.get("feature_names"),
        n_clusters=None if FORMS[file.class_name] is EMBEDDING else n_clusters,
        cluster_names=tree.get("cluster_names", {}),
        n_components=len(eigenvalues),
        curve=curve and {name: list(v.values()) for name, v in curve.items()},
        eigenvalues=eigenvalues,
        graph_eigenvalues=list(own["graph_eigenvalues_"].values()),
        fit=fit,
        n_weights=_count(tree),
    )


def _count(tree: Any) -> int:  # noqa: ANN401
    """Numbers in the arrays of a tree."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        return sum(map(_count, tree))
    return tree.size if isinstance(tree, Stored) else 0


def _parameters(kind: str, packed: dict[str, Any], path: str) -> dict[str, Any]:
    """Parameters of an estimator or component, and of those in it, as plain values.

    Functions are their names, components their classes. Parameters that are not there
    have their defaults.
    """
    check(packed, RECORD, "parameters")
    defaults = _defaults()[kind]
    unknown = sorted(packed.keys() - defaults.keys())
    if unknown:
        raise ValueError(f"{kind} has no parameter {shown(unknown[0])}")
    found = {}
    for name, value in {**defaults, **packed}.items():
        found[path + name] = value
        if isinstance(value, dict) and "class" in value:
            inside = value["class"]
            check(inside, choice(_defaults()), f"{path}{name}.class")
            found[path + name] = inside
            found |= _parameters(inside, value["parameters"], f"{path}{name}__")
        elif isinstance(value, dict):
            check(value, {"function": TEXT}, path + name)
            found[path + name] = value["function"]
        elif not all(
            map(_is_plain, value if isinstance(value, tuple | list) else [value])
        ):
            raise ValueError(f"{path}{name} is {shown(value)}")
    return found


def _is_plain(value: object) -> bool:
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return isinstance(value, PLAIN) and is_finite
