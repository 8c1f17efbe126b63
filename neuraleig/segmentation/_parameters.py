"""Parameters of the segmenter: constraints, components, and the feature cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch

from neuraleig._components import Component
from neuraleig._device import resolve_device
from neuraleig._fit import Stage
from neuraleig._random import Seeds
from neuraleig._sklearn import Interval, StrOptions, check_parameters, check_values
from neuraleig._warnings import warn_user
from neuraleig._words import count_text
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._cluster_numbers import AUTO
from neuraleig.segmentation._geometry import check_windows
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._naming import ClusterNaming
from neuraleig.segmentation._presets import preset_parameters
from neuraleig.segmentation._scoring import ClusterScoring
from neuraleig.segmentation._token_sample import KeptTokens, PreparedWindows, Units
from neuraleig.segmentation._window_tokens import WindowTokens, tokens_key
from neuraleig.segmentation.backbones import (
    Backbone,
    FeatureCacheWarning,
    TimmBackbone,
)
from neuraleig.segmentation.backbones._feature_cache import (
    SHARED,
    TEMPORARY,
    FeatureCache,
    KeptStore,
    NoCache,
)
from neuraleig.segmentation.backbones._make_backbone import COLOR_TEXTURE
from neuraleig.segmentation.images._image_sets import ImageSet
from neuraleig.training._callbacks import check_callbacks
from neuraleig.training._distributed import current_shard

# Constraint of a size in pixels.
SIZES = [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO}), None]
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
    "feature_cache",
)


class SegmenterParameters(ClusterNaming, ClusterScoring):
    """Base of the segmenter: checks of parameters, and what they stand for."""

    n_clusters: int | str
    max_clusters: int | None
    backbone: str | TimmBackbone | Callable[..., Any]
    clusterer: NeuralEigenSpectralClustering | None
    pixel_weight: float | None
    device: str
    max_tokens: int
    callbacks: Sequence[Any] | None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "max_clusters": [Interval(Integral, 1, None, closed="left"), None],
        "backbone": [str, TimmBackbone, callable],
        "clusterer": [NeuralEigenSpectralClustering, None],
        "image_size": SIZES,
        "window_size": SIZES,
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

    def _prepared_windows(
        self,
        images: ImageSet,
        backbone: Backbone,
        device: torch.device,
        seeds: Seeds,
        stage: Stage,
        of_all: bool,
    ) -> PreparedWindows:
        """Windows of a fit, in units of their channels, once their tokens are read.

        Those of the sample, or of all.
        """
        store = self._opened_store(backbone, device)
        stage.result = count_text(len(images), "image")
        if isinstance(store, FeatureCache) and self.feature_cache != TEMPORARY:
            stage.result += f", features in {store.root}"
        tokens = WindowTokens(backbone, device, store)
        windows = ImageWindows(images, self._geometry(backbone), tokens)
        kept = KeptTokens(
            windows.sizes, self.tokens_per_window, self.max_tokens, seeds.rows
        )
        drawn = {*Units.drawn(len(windows), seeds.rows), *kept.drawn(seeds.graph)}
        numbers = range(len(windows)) if of_all else sorted(drawn)
        if isinstance(store, FeatureCache):
            if not self._has_room(windows.stored_bytes(numbers), store):
                windows = windows.with_store(NoCache())
            else:
                for done, number in enumerate(numbers):
                    stage.advance(done, len(numbers))
                    windows[number]
        # Features of several devices may differ by their rounding.
        units = current_shard().first(lambda: Units.of(windows, seeds.rows))
        return PreparedWindows(windows, kept, units)

    def _opened_store(self, backbone: Backbone, device: torch.device) -> NoCache:
        """Store of the fit: the former one, if it serves, or a new one.

        It stays with the segmenter, for predictions and for other fits.
        """
        asked, key = self.feature_cache, tokens_key(backbone, device)
        if (self._kept.asked, self._kept.key) != (asked, key):
            self._kept = KeptStore.of(asked, key)
        return self._kept.store

    def _has_room(self, need: int, store: FeatureCache) -> bool:
        """Whether the disk has room; OSError where it lacks it in a folder given."""
        need -= store.stored_bytes()
        free = store.free_bytes
        if need <= free:
            return True
        problem = (
            f"features take {_gigabytes(need)} that feature_cache="
            f"{self.feature_cache!r} has not: {store.root} has {_gigabytes(free)} free"
        )
        if self.feature_cache not in (TEMPORARY, SHARED):
            raise OSError(
                f"{problem}. Make room there, choose another folder, or pass "
                "feature_cache=None to compute features whenever they are needed."
            )
        warn_user(
            f"{problem}. The fit goes on without, and runs the backbone whenever "
            "features are needed, which is slower; pass a folder with more room.",
            FeatureCacheWarning,
        )
        return False


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
