"""What the parameters of the segmenter stand for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import torch

from neuraleig._sklearn import Interval, StrOptions, check_parameters, check_values
from neuraleig._validation import check_temperature
from neuraleig._warnings import warn_user
from neuraleig.networks import ASSIGNMENTS, HEADS
from neuraleig.segmentation._fit import TokenTask
from neuraleig.segmentation._geometry import Geometry, check_windows
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._naming import ClusterNaming
from neuraleig.segmentation._presets import preset_parameters
from neuraleig.segmentation._scoring import ClusterScoring
from neuraleig.segmentation._training import TokenSettings
from neuraleig.segmentation.backbones import (
    Backbone,
    FeatureCache,
    FeatureCacheWarning,
    FeatureStore,
    NoCache,
    cache_key,
)
from neuraleig.training import OPTIMIZERS, PRECISIONS, resolve_precision

# Most steps of fine-tuning where max_iter is left open. From labels that were read off
# eigenvectors on, it lowers the cut and the agreement with what people see.
MAX_ITER = {"spectral": 0, "random": 1_000}
# Eigenvectors per cluster that labels are read from.
# The number that did best in mean accuracy over 8 sets of rows; not tuned on images.
READ_PER_CLUSTER = 2
# Parameters that are looked at after the fit, and may have been set since.
LATER = (
    "n_neighbors",
    "image_size",
    "window_size",
    "stride",
    "scales",
    "flip",
    "refine",
    "refine_radius",
    "pixel_weight",
    "tokens_per_window",
    "max_graph_tokens",
)


class SegmenterParameters(ClusterNaming, ClusterScoring):
    """Base that checks parameters, and hands them to the parts."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "backbone": [str, callable],
        "pretrained": ["boolean"],
        "checkpoint": [str, PathLike, None],
        "layers": [StrOptions({"auto"}), tuple, list],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "pixel_weight": [Interval(Real, 0, None, closed="left")],
        "queue_size": [Interval(Integral, 0, None, closed="left")],
        "init": [StrOptions({"spectral", "random"})],
        "max_graph_tokens": [Interval(Integral, 2, None, closed="left")],
        "tokens_per_window": [Interval(Integral, 1, None, closed="left"), None],
        "objective": [StrOptions({"rayleigh", "neuralef", "nested_low_rank"})],
        "label_objective": [StrOptions({"normalized_cut", "neuralef"})],
        "assign_labels": [StrOptions({"argmax", "kmeans"})],
        "diffusion_time": [Interval(Real, 0, None, closed="left")],
        "hidden_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_blocks": [Interval(Integral, 0, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "mlp_size": [Interval(Integral, 1, None, closed="left"), None],
        "head": [StrOptions(set(HEADS))],
        "assignment": [StrOptions(set(ASSIGNMENTS))],
        "temperature": [tuple, list],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 0, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "optimizer": [StrOptions(set(OPTIMIZERS))],
        "early_stopping": ["boolean"],
        "image_size": [Interval(Integral, 1, None, closed="left"), None],
        "window_size": [Interval(Integral, 1, None, closed="left"), None],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
        "scales": [tuple, list],
        "flip": ["boolean"],
        "refine": [StrOptions({"guided"}), None],
        "refine_radius": [Interval(Real, 0, None, closed="neither")],
        "feature_cache": [str, PathLike, None],
        "device": [str],
        "precision": [StrOptions(set(PRECISIONS))],
        "callbacks": [list, tuple, None],
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
            Parameters that are to differ.

        Returns
        -------
        segmenter : DenseSegmenter
            Unfitted; ``get_params`` shows the settings.

        Examples
        --------
        >>> from neuraleig import DenseSegmenter
        >>> DenseSegmenter.from_preset("cityscapes", n_clusters=64).batch_size
        8
        """
        return cls(**{**preset_parameters(preset), **changes})

    def _check_parameters(self) -> None:
        """Check parameters before any work."""
        check_parameters(self)
        check_temperature(self.temperature)
        check_windows(self.window_size, self.stride)
        check_scales(self.scales)
        if self.hidden_size is not None:
            self._check_width(self.hidden_size)

    def _check_width(self, width: int) -> None:
        """Refuse hidden units that are too few for orthogonal heads."""
        most = max(self.n_clusters, (self.n_components or self.n_clusters) - 1)
        if self.head == "orthogonal" and width < most:
            raise ValueError(
                f"hidden_size={self.hidden_size} gives {width} hidden units, too few "
                f"for head='orthogonal': there must be at least {most}, the number of "
                "clusters or eigenfunctions; raise hidden_size, or use head='linear'."
            )

    def _check_ready(self) -> None:
        super()._check_ready()
        check_values(
            {name: self._parameter_constraints[name] for name in LATER},
            {name: getattr(self, name) for name in LATER},
            type(self).__name__,
        )
        check_windows(self.window_size, self.stride)
        check_scales(self.scales)

    def _backbone_dtype(self, device: torch.device) -> torch.dtype:
        if self.precision == "auto" and device.type == "cuda":
            return torch.bfloat16
        return resolve_precision(self.precision, device)

    def _open_store(
        self, backbone: Backbone, geometry: Geometry, dtype: torch.dtype
    ) -> FeatureStore:
        """Where features of the windows are kept during the fit."""
        if self.feature_cache is None:
            return NoCache()
        folder = None if self.feature_cache == "auto" else str(self.feature_cache)
        return FeatureCache(folder, cache_key(backbone.identity, str(dtype), geometry))

    def _fill(self, windows: ImageWindows, backbone: Backbone) -> None:
        """Store the features of all windows, if they are to be and have room."""
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
                    "feature_cache=None to run the backbone in every step."
                )
            if need > free:
                warn_user(
                    f"{problem}. The fit goes on without, and runs the backbone in "
                    "every step, which is slower; pass a folder with more room.",
                    FeatureCacheWarning,
                )
                windows.store = NoCache()
        windows.fill()

    def _settings(self) -> TokenSettings:
        """Parameters of training, with what None stands for."""
        max_iter = MAX_ITER[self.init] if self.max_iter is None else self.max_iter
        return TokenSettings(
            init=self.init,
            # The constant function needs no learning.
            learns_functions=(self.n_components or self.n_clusters) > 1,
            objective=self.objective,
            label_objective=self.label_objective,
            n_neighbors=self.n_neighbors,
            pixel_weight=self.pixel_weight,
            queue_size=self.queue_size,
            hidden_size=self.hidden_size,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            mlp_size=self.mlp_size,
            head=self.head,
            assignment=self.assignment,
            temperature=check_temperature(self.temperature),
            batch_size=self.batch_size,
            max_iter=max_iter,
            lr=self.lr,
            optimizer=self.optimizer,
            early_stopping=self.early_stopping,
        )

    def _task(self) -> TokenTask:
        return TokenTask(
            n_clusters=self.n_clusters,
            n_components=self.n_components or self.n_clusters,
            n_read=READ_PER_CLUSTER * self.n_clusters,
            diffusion_time=self.diffusion_time,
            assign_labels=self.assign_labels,
            tokens_per_window=self.tokens_per_window,
            max_graph_tokens=self.max_graph_tokens,
        )


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
