"""The state of a fitted segmenter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.persistence._backbones import (
    GIVEN,
    Brought,
    described,
    made_anew,
    probe,
)
from neuraleig.persistence._model_file import ModelFile, State
from neuraleig.persistence._networks import make_eigenfunctions, network_sizes
from neuraleig.persistence._parameters import packed_parameters, unpacked_parameters
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation._geometry import Geometry

# Weights have this prefix, so that no other tensor can be one.
MODULE = "eigenfunctions."
DTYPES = {str(d): d for d in (torch.float32, torch.bfloat16, torch.float16)}
# Attributes of a fit that are plain numbers.
NUMBERS = {
    "n_clusters_": int,
    "suggested_n_clusters_": int,
    "n_iter_": int,
    "n_images_": int,
    "modularity_": float,
}


def segmenter_state(segmenter: DenseSegmenter) -> State:
    """State of a fitted segmenter.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted.

    Returns
    -------
    state : State
        Without the weights of the backbone, and without anything of the images.
    """
    backbone = segmenter.backbone_
    weights = segmenter.eigenfunctions_.state_dict()
    tensors = {MODULE + name: value for name, value in weights.items()} | {
        "groups": torch.from_numpy(segmenter._groups),
        "graph_eigenvalues": torch.from_numpy(segmenter.graph_eigenvalues_),
        "loss_curve": torch.tensor(segmenter.loss_curve_, dtype=torch.float64),
    }
    record = described(backbone)
    if record["kind"] == GIVEN:
        device = next(segmenter.eigenfunctions_.parameters()).device
        tensors["backbone_probe"] = probe(backbone, device)
    content = {
        "parameters": packed_parameters(segmenter, elsewhere=("backbone",)),
        "network": network_sizes(segmenter.eigenfunctions_),
        "backbone": record,
        "geometry": asdict(segmenter._geometry),
        "dtype": str(segmenter._dtype),
        "cluster_names": {str(c): n for c, n in segmenter.cluster_names_.items()},
        "eigenvalues": segmenter.eigenvalues_.tolist(),
        "fit": {name: kind(getattr(segmenter, name)) for name, kind in NUMBERS.items()},
    }
    return State(tensors, content)


def segmenter_from(
    file: ModelFile, brought: Brought, device: torch.device
) -> DenseSegmenter:
    """Fitted segmenter of a file.

    Parameters
    ----------
    file : ModelFile
        Whose state :func:`segmenter_state` returned.
    brought : Brought
        Backbone or weights that the user passes.
    device : torch.device
        Where it is to run.

    Returns
    -------
    segmenter : DenseSegmenter
        Fitted, with the parameters of the one that was saved but for the device.

    Raises
    ------
    ModelFileError
        If the state is not whole, or the backbone another one.
    OSError
        If the weights of the backbone are not there.
    """
    try:
        saved = _saved(file.state)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise file.damaged(f"{type(error).__name__}: {error}") from error
    try:
        backbone = made_anew(saved.record, saved.probe, brought, device)
    except (ValueError, KeyError, TypeError) as error:
        raise file.refusal(str(error).removesuffix(".")) from error
    segmenter = saved.segmenter
    segmenter.eigenfunctions_.to(device)
    segmenter.backbone_ = backbone
    segmenter.device_ = str(device)
    if saved.had_object:
        given = brought.backbone
        segmenter.backbone = backbone if given is None else given
    if brought.checkpoint is not None:
        segmenter.checkpoint = brought.checkpoint
    return segmenter


@dataclass(frozen=True)
class _Saved:
    """What a state holds, checked; the segmenter lacks its backbone."""

    segmenter: DenseSegmenter
    record: dict[str, Any]
    probe: Tensor | None
    had_object: bool


def _saved(state: State) -> _Saved:
    content, tensors = state.content, dict(state.tensors)
    record = content["backbone"]
    parameters = unpacked_parameters(content["parameters"], DenseSegmenter)
    had_object = parameters["backbone"] is None
    if had_object:
        parameters["backbone"] = "color_texture"
    segmenter = DenseSegmenter(**parameters)
    segmenter._check_parameters()
    segmenter._geometry = _geometry(content["geometry"])
    segmenter._dtype = DTYPES[content["dtype"]]
    for name, kind in NUMBERS.items():
        setattr(segmenter, name, kind(content["fit"][name]))
    groups = tensors.pop("groups")
    segmenter._groups = _groups(groups, content["network"], segmenter.n_clusters_)
    segmenter.cluster_names_ = _names(content["cluster_names"], segmenter.n_clusters_)
    segmenter.graph_eigenvalues_ = tensors.pop("graph_eigenvalues").numpy()
    segmenter.loss_curve_ = tensors.pop("loss_curve").tolist()
    probed = tensors.pop("backbone_probe") if record["kind"] == GIVEN else None
    # All that is left are weights.
    weights = {name.removeprefix(MODULE): value for name, value in tensors.items()}
    segmenter.eigenfunctions_ = make_eigenfunctions(content["network"], weights)
    segmenter.eigenvalues_ = segmenter.eigenfunctions_.eigenvalues.numpy().copy()
    n_channels = content["network"]["trunk"]["n_features"]
    if (sum(record["n_channels"]), record["patch_size"]) != (
        n_channels,
        segmenter._geometry.patch_size,
    ):
        raise ValueError("its network is not one for its backbone")
    return _Saved(segmenter, record, probed, had_object)


def _geometry(sizes: dict[str, Any]) -> Geometry:
    geometry = Geometry(**sizes)
    # Refuses what is no size.
    geometry.lattice(geometry.patch_size, geometry.patch_size)
    return geometry


def _groups(groups: Tensor, network: dict[str, Any], n_clusters: int) -> IntArray:
    """Unions of clusters: consecutive numbers."""
    found = groups.numpy()
    is_whole = found.shape == (network["n_clusters"],) and found.dtype == np.int64
    if not is_whole or not np.array_equal(np.unique(found), np.arange(n_clusters)):
        raise ValueError("its groups of clusters are not numbered from 0")
    return found


def _names(names: dict[str, str], n_clusters: int) -> dict[int, str]:
    found = {int(cluster): name for cluster, name in names.items()}
    for cluster, name in found.items():
        if not 0 <= cluster < n_clusters or not isinstance(name, str):
            raise ValueError(f"cluster {cluster} has the name {name!r}")
    return found
