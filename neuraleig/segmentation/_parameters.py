"""Parameters of the segmenter: constraints, components, and the feature cache."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np

from neuraleig._components import Component
from neuraleig._device import resolve_device
from neuraleig._fit import Progress
from neuraleig._sklearn import Interval, StrOptions, check_parameters, check_values
from neuraleig._warnings import warn_user
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._cluster_numbers import AUTO
from neuraleig.segmentation._geometry import Geometry, check_windows
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._naming import ClusterNaming
from neuraleig.segmentation._presets import preset_parameters
from neuraleig.segmentation._scoring import ClusterScoring
from neuraleig.segmentation.backbones import (
    Backbone,
    FeatureCacheWarning,
    TimmBackbone,
)
from neuraleig.segmentation.backbones._feature_cache import (
    FeatureCache,
    NoCache,
    cache_key,
)
from neuraleig.segmentation.backbones._make_backbone import COLOR_TEXTURE
from neuraleig.training._callbacks import check_callbacks

# Parameters that are read after the fit, and may have been set since.
LATER = (
    "image_size",
    "window_size",
    "stride",
    "scales",
    "flip",
    "refine",
    "refine_radius",
    "tokens_per_window",
    "max_tokens",
)


class SegmenterParameters(ClusterNaming, ClusterScoring):
    """Base of the segmenter: checks of parameters, and what they stand for."""

    n_clusters: int | str
    max_clusters: int | None
    backbone: str | TimmBackbone | Callable[..., Any]
    clusterer: NeuralEigenSpectralClustering | None
    pixel_weight: float | None
    device: str
    feature_cache: str | PathLike[str] | None
    max_tokens: int
    callbacks: Sequence[Any] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "max_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "backbone": [str, TimmBackbone, callable],
        "clusterer": [NeuralEigenSpectralClustering, None],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "window_size": [Interval(Integral, 1, None, closed="left"), None],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
        "scales": [tuple, list],
        "flip": ["boolean"],
        "refine": [StrOptions({"guided"}), None],
        "refine_radius": [Interval(Real, 0, None, closed="neither")],
        "pixel_weight": [Interval(Real, 0, None, closed="left"), None],
        "tokens_per_window": [Interval(Integral, 1, None, closed="left"), None],
        "max_tokens": [Interval(Integral, 2, None, closed="left")],
        "feature_cache": [str, PathLike, None],
        "device": [str],
        "callbacks": [list, tuple, None],
        "checkpoint": [str, PathLike, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @classmethod
    def from_preset(cls, preset: str, **changes: Any) -> Self:  # noqa: ANN401
        """Make a segmenter with published settings.

        Parameters
        ----------
        preset : {"pascal_context", "cityscapes", "ade20k"}
            Published settings for that data set; see the references of the class.
        **changes
            Parameters that are to differ, also nested ones.

        Returns
        -------
        segmenter : DenseSegmenter
            Unfitted; ``get_params`` shows the settings.

        Examples
        --------
        >>> from neuraleig import DenseSegmenter
        >>> model = DenseSegmenter.from_preset("cityscapes", n_clusters=64)
        >>> model.clusterer.training.batch_size
        8
        """
        return cls(**preset_parameters(preset)).set_params(**changes)

    def _component(self, name: str, value: object) -> object:
        """Backbone or clusterer that a default or a name stands for."""
        if name == "clusterer" and value is None:
            return NeuralEigenSpectralClustering()
        if name == "backbone" and isinstance(value, str) and value != COLOR_TEXTURE:
            return TimmBackbone(value)
        return value

    def _check_parameters(self) -> None:
        """Check parameters before any work."""
        check_parameters(self)
        check_windows(self.window_size, self.stride)
        check_scales(self.scales)
        check_callbacks(self.callbacks)
        resolve_device(self.device)
        if isinstance(self.backbone, Component):
            self.backbone.check("backbone", type(self).__name__)

    def _check_ready(self) -> None:
        super()._check_ready()
        check_values(
            {name: self._parameter_constraints[name] for name in LATER},
            {name: getattr(self, name) for name in LATER},
            type(self).__name__,
        )
        check_windows(self.window_size, self.stride)
        check_scales(self.scales)

    def _open_store(self, backbone: Backbone, geometry: Geometry) -> NoCache:
        """Store of the features of the windows during the fit."""
        if self.feature_cache is None:
            return NoCache()
        folder = None if self.feature_cache == "auto" else str(self.feature_cache)
        key = cache_key(backbone.identity, str(backbone.products), geometry)
        return FeatureCache(folder, key)

    def _fill(
        self, windows: ImageWindows, backbone: Backbone, progress: Progress
    ) -> None:
        """Store the features of all windows, if they are to be and have room."""
        with progress.stage("features") as stage:
            self._check_room(windows, backbone)
            windows.fill()
            stage.result = f"{len(windows)} windows of {len(windows.images)} images"

    def _check_room(self, windows: ImageWindows, backbone: Backbone) -> None:
        """Go on without a store, or refuse one, where the disk has no room for it."""
        store = windows.store
        if isinstance(store, FeatureCache):
            need = windows.missing_bytes(store, sum(backbone.n_channels))
            free = store.free_bytes
            automatic = self.feature_cache == "auto"
            place = tempfile.gettempdir() if automatic else store.folder.parent
            problem = (
                f"features of {len(windows)} windows take {_gigabytes(need)} that "
                f"feature_cache={self.feature_cache!r} has not: {place} has "
                f"{_gigabytes(free)} free"
            )
            if need > free and not automatic:
                raise OSError(
                    f"{problem}. Make room there, choose another folder, or pass "
                    "feature_cache=None to compute features whenever they are needed."
                )
            if need > free:
                warn_user(
                    f"{problem}. The fit goes on without, and runs the backbone "
                    "whenever features are needed, which is slower; pass a folder "
                    "with more room.",
                    FeatureCacheWarning,
                )
                windows.store = NoCache()


def check_scales(scales: Sequence[float]) -> None:
    """Refuse all but some positive numbers."""
    if not scales or any(
        isinstance(scale, bool) or not isinstance(scale, Real) or not 0 < scale < np.inf
        for scale in scales
    ):
        raise ValueError(
            f"scales={scales!r} must be one or more positive numbers, such as (1.0,)."
        )


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.3g} GB"
