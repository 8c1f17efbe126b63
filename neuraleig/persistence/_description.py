"""What the file of a model says, without making the model."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from neuraleig.persistence._fitted import finite
from neuraleig.persistence._model_file import ModelFile, read_model
from neuraleig.persistence._networks import MODULE, TOKENS
from neuraleig.persistence._parameters import FUNCTION, TUPLE
from neuraleig.persistence._records import Record, shown

SHIFT, EIGENVALUES = f"{MODULE}shift", f"{MODULE}eigenvalues"
# Classes whose network has clusters that mean nothing.
WITHOUT_CLUSTERS = ("NeuralSpectralEmbedding",)


@dataclass(frozen=True)
class ModelDescription:
    """What the file of a model says.

    Parameters
    ----------
    class_name : str
        Class of the estimator.
    versions : dict of str to str
        Libraries that wrote it.
    parameters : dict of str to object
        Parameters of the estimator; of functions the names.
    n_features : int or None
        Features of a row; ``None`` for images.
    feature_names : list of str or None
        Their names, where the rows of the fit had any.
    n_clusters : int or None
        Number of clusters; ``None`` for an embedding.
    n_components : int
        Number of eigenfunctions, the constant one included.
    suggested_n_clusters : int or None
        Clusters before the largest gap of the graph's eigenvalues, where the fit
        looked for it.
    eigenvalues : list of float
        Rayleigh quotients of the learned functions.
    graph_eigenvalues : list of float
        Exact eigenvalues of the graph.
    fit : dict of str to float
        Further numbers of the fit, as the attributes of the estimator are called.
    n_weights : int
        Numbers in the file.
    """

    class_name: str
    versions: dict[str, str]
    parameters: dict[str, Any]
    n_features: int | None
    feature_names: list[str] | None
    n_clusters: int | None
    n_components: int
    suggested_n_clusters: int | None
    eigenvalues: list[float]
    graph_eigenvalues: list[float]
    fit: dict[str, float]
    n_weights: int


def describe(path: str | PathLike[str]) -> ModelDescription:
    """Describe the model in a file.

    Parameters
    ----------
    path : str or PathLike
        What :func:`save` wrote.

    Returns
    -------
    description : ModelDescription
        What can be said without making the model: no backbone is read or fetched, and
        functions of the fit need not be there.

    Raises
    ------
    ModelFileError
        If the file is not one of a model, is damaged or of another version.
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
    with file.checked():
        return _described(file)


def _described(file: ModelFile) -> ModelDescription:
    content, tensors = Record(file.state.content, "content"), dict(file.state.tensors)
    n_weights = sum(tensor.numel() for tensor in tensors.values())
    network = Record(content.peek("network"), "network")
    fit = {name: _number(name, value) for name, value in content.peek("fit").items()}
    suggested = fit.pop("suggested_n_clusters_", None)
    # Merged clusters of a segmenter are fewer than those of its network.
    n_clusters = fit.pop("n_clusters_", None) or network.integer("n_clusters")
    has_clusters = file.class_name not in WITHOUT_CLUSTERS
    is_of_images = content.peek("network", "trunk").get("kind") == TOKENS
    eigenvalues = finite(tensors, EIGENVALUES).tolist()
    return ModelDescription(
        class_name=file.class_name,
        versions={name: str(value) for name, value in file.versions.items()},
        parameters={
            name: _plain(value) for name, value in content.peek("parameters").items()
        },
        n_features=None if is_of_images else finite(tensors, SHIFT).size,
        feature_names=_names(content),
        n_clusters=int(n_clusters) if has_clusters else None,
        n_components=len(eigenvalues),
        suggested_n_clusters=None if suggested is None else int(suggested),
        eigenvalues=eigenvalues,
        graph_eigenvalues=finite(tensors, "graph_eigenvalues_").tolist(),
        fit=fit,
        n_weights=n_weights,
    )


def _names(content: Record) -> list[str] | None:
    names = content.peek().get("feature_names")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise ValueError(f"feature_names is {shown(names)}, and no list of texts")
    return list(names)


def _number(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"fit.{name} is {shown(value)}, and no number")
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Parameter as Python has it; of a function its name."""
    if isinstance(value, dict) and FUNCTION in value:
        return str(value[FUNCTION])
    if isinstance(value, dict) and TUPLE in value:
        return tuple(value[TUPLE])
    return value
