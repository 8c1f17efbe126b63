"""Unsupervised semantic segmentation of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np

from neuraleig._device import ordinary_torch, resolve_device
from neuraleig._fit import Progress
from neuraleig._random import RandomState, Seeds
from neuraleig._shard import Shard
from neuraleig._sklearn import CallbackSupportMixin, FitTask, with_callbacks
from neuraleig._words import count_text
from neuraleig.affinity import Graph
from neuraleig.estimators import NeuralEigenSpectralClustering
from neuraleig.estimators._alignment import former_model
from neuraleig.estimators._checkpoint import check_same_data, identity_of, keep_seeds
from neuraleig.estimators._start import common_checkpoint, common_seeds
from neuraleig.metrics import modularity
from neuraleig.reading._alignment import warn_of_changes
from neuraleig.segmentation._alignment import FormerSegmenter
from neuraleig.segmentation._cluster_table import Occurrences, warn_of_clusters
from neuraleig.segmentation._clusterer import (
    across_parameter,
    clusterer_of_tokens,
    fit_to_tokens,
    sees_windows,
)
from neuraleig.segmentation._parameters import SegmenterParameters
from neuraleig.segmentation._token_sample import Units
from neuraleig.segmentation.backbones import (
    Backbone,
    TimmBackbone,
    make_backbone,
)
from neuraleig.segmentation.images._image_sets import as_image_set, readable
from neuraleig.training import Callback
from neuraleig.training._checkpoint import (
    NOTHING_KEPT,
    Checkpoint,
    CheckpointFolder,
    clearing_deferred,
)
from neuraleig.training._distributed import current_shard

# Stages of a fit: the backbone, features of windows, and the clusterer.
N_STAGES = 3


class DenseSegmenter(CallbackSupportMixin, SegmenterParameters):
    r"""Semantic segmentation of unlabelled images by neural eigenfunctions.

    A frozen backbone turns every patch of an image into a token. A
    :class:`~neuraleig.NeuralEigenSpectralClustering` clusters the tokens: tokens of
    similar features, and neighbouring pixels of similar colour, belong together.
    Clusters mean the same in every image, seen in the fit or not.

    Parameters
    ----------
    n_clusters : int or "auto", default=27
        Number of clusters; ``"auto"``: the best one of ``cluster_curve_``.
    max_clusters : int or None, default=None
        Largest number of ``cluster_curve_``; ``None``: 30 with ``n_clusters="auto"``,
        and otherwise no curve.
    backbone : str, TimmBackbone or callable, default="vit_small_patch14_reg4_dinov2"
        Frozen features: the name of a vision transformer of timm (supervised, DeiT,
        DINO, DINOv2, DINOv3, CLIP) or its settings as a
        :class:`~neuraleig.segmentation.TimmBackbone`; ``"color_texture"`` (fixed
        filters, no weights); or a callable or module from images (N, 3, H, W), RGB in
        [0, 1], to features (N, C, H / patch, W / patch) or a list of such maps,
        lowest level first. The graph of tokens is built on the last level.
    clusterer : NeuralEigenSpectralClustering or None, default=None
        Clusterer of the tokens, of which a clone is fitted. ``None``: its defaults,
        with changes that hold for any clusterer: ``n_neighbors`` left open is 64,
        neighbours are searched across scenes where ``across_groups`` is open and eight
        pictures or more take part, none of them with most of the tokens (not for a
        ``TokenAttention`` that is fine-tuned), and ``Training(max_iter=None)`` takes no
        steps of fine-tuning after a spectral start. ``device``, ``callbacks`` and
        ``verbose`` left at their defaults, and ``n_clusters``, ``checkpoint`` and
        ``random_state``, are those of the segmenter; other values of the last three
        are refused.
    image_size : int, "auto" or None, default="auto"
        Pixels of the shorter side at which images are seen; the longer side has at most
        20 times as many. ``None``: their own; ``"auto"``: 32 patches of a transformer
        (448 pixels for patches of 14), and their own for other backbones.
    window_size : int, "auto" or None, default="auto"
        Side in pixels of the windows that the backbone sees, rounded to whole
        patches; smaller images are one window. ``None``: whole images; ``"auto"``:
        whole images of up to 4,096 tokens, and windows of 512 pixels of larger ones.
    stride : int or None, default=None
        Distance of neighbouring windows; ``None``: two thirds of a window.
    scales : tuple of float, default=(1.0,)
        Sizes at which images are seen in prediction; their scores are averaged.
    flip : bool, default=False
        Average the scores of images and of their mirror images.
    refine : {"guided"} or None, default=None
        Let labels follow the edges of the image, by a guided filter.
    refine_radius : float, default=1.0
        Radius of that filter in patches.
    pixel_weight : float or None, default=None
        Weight of the graph of pixels beside the graph of features. ``None``: 0.1, 0.3
        for ``"color_texture"``, and of a ``TokenAffinity`` of the clusterer its own.
    tokens_per_window : int or None, default=None
        About as many tokens of a window, on a lattice, take part in the fit;
        ``None``: 100 to 400, the fewer the more windows. Prediction uses all.
    max_tokens : int, default=30_000
        Most tokens in the graph; of more some windows are drawn.
    feature_cache : {"auto", "shared"}, str, PathLike or None, default="auto"
        Store of features, so that the backbone runs once per image for a fit, its
        predictions and other fits. ``"auto"``: a temporary folder of up to 8 GB, which
        goes with the segmenter; one from a file has none. ``"shared"``: 8 GB among the
        caches of the user, for all processes; what was not used for longest makes
        room. Or a folder of yours, without a bound; predictions do not make it.
        ``None``: none.
    device : str, default="auto"
        ``"auto"`` (CUDA where present) or a name that torch knows.
    callbacks : list of Callback or None, default=None
        Called between the steps, see :class:`neuraleig.training.BaseCallback`.
    checkpoint : str, PathLike or None, default=None
        Folder to which a fit saves its state, and from which the same fit resumes if
        it was interrupted. Removed when the fit is complete. Features are stored in
        ``feature_cache``, not here.
    verbose : int, default=0
        Lines on stderr: 1, for every stage of the fit; 2, for every epoch, too. On a
        terminal what is done and the time left, also by sheets and reports.
    random_state : int, RandomState instance or None, default=None
        Seed of all random draws.

    Attributes
    ----------
    n_clusters_ : int
        Clusters that were found, and not merged.
    cluster_names_ : dict of int to str
        Names given to clusters.
    cluster_table_ : dict of str to ndarray, or None
        Size, pictures and confidence of every cluster, among the tokens of the fit.
    alignment_ : Alignment or None
        Clusters of the fit, before any union, beside those of the former segmenter, see
        :class:`neuraleig.reading.Alignment`; ``None`` where there was none.
    clusterer_ : NeuralEigenSpectralClustering
        Fitted to tokens; predicts from what :meth:`iter_tokens` returns.
    backbone_ : Backbone
        Frozen network of the features.
    token_mean_, token_scale_ : ndarray of shape (n_channels,)
        Mean and unit of the features, by which tokens are standardised.
    eigenfunctions_, eigenvalues_, graph_eigenvalues_, cluster_curve_
        Attributes of ``clusterer_``, as are ``modularity_``, ``loss_curve_`` and
        ``n_iter_``.
    n_images_ : int
        Images of the fit.
    device_ : str
        Device of the fit.

    See Also
    --------
    neuraleig.NeuralEigenSpectralClustering : The same for rows of features.

    Notes
    -----
    ``image_size``, ``window_size``, ``stride``, ``scales``, ``flip``, ``refine``,
    ``refine_radius``, ``feature_cache`` and ``verbose`` hold for predictions as they
    are at the time: ``set_params`` may change them on a fitted segmenter. The other
    parameters are settled by the fit, but for ``tokens_per_window`` and ``max_tokens``,
    which ``score`` reads.

    Memory of a fit: the backbone, one image (some 30 bytes per pixel at which it is
    seen) with windows of 4,096 tokens, or 16,384 on CUDA, and three times the tokens (4
    bytes per channel: 140 MB for 30,000 of 1,152). Of a prediction: one batch of
    windows, and the tokens times clusters of one image; pixels times clusters are never
    held. Features take 2 bytes per token and channel on disk (4 MB for an image of 640
    by 480 pixels and a ViT-S); they are rounded to half precision in any case.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from neuraleig import DenseSegmenter
    >>> images = load_sample_images().images
    >>> model = DenseSegmenter(4, backbone="color_texture", image_size=160,
    ...                        random_state=0).fit(images)
    >>> model.predict(images[0]).shape
    (427, 640)
    """

    def __init__(
        self,
        n_clusters: int | str = 27,
        *,
        max_clusters: int | None = None,
        backbone: str
        | TimmBackbone
        | Callable[..., Any] = "vit_small_patch14_reg4_dinov2",
        clusterer: NeuralEigenSpectralClustering | None = None,
        image_size: int | str | None = "auto",
        window_size: int | str | None = "auto",
        stride: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        refine: str | None = None,
        refine_radius: float = 1.0,
        pixel_weight: float | None = None,
        tokens_per_window: int | None = None,
        max_tokens: int = 30_000,
        feature_cache: str | PathLike[str] | None = "auto",
        device: str = "auto",
        callbacks: Sequence[Callback] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.max_clusters = max_clusters
        self.backbone = backbone
        self.clusterer = clusterer
        self.image_size = image_size
        self.window_size = window_size
        self.stride = stride
        self.scales = scales
        self.flip = flip
        self.refine = refine
        self.refine_radius = refine_radius
        self.pixel_weight = pixel_weight
        self.tokens_per_window = tokens_per_window
        self.max_tokens = max_tokens
        self.feature_cache = feature_cache
        self.device = device
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.verbose = verbose
        self.random_state = random_state

    # Warnings may be errors: checkpoints stay for a refit.
    @with_callbacks
    @ordinary_torch()
    @clearing_deferred()
    def fit(
        self,
        images: Any,  # noqa: ANN401
        y: None = None,
        *,
        align_to: DenseSegmenter | str | PathLike[str] | None = None,
    ) -> Self:
        """Learn clusters from unlabelled images.

        Parameters
        ----------
        images : folder, image, sequence of images or data set
            A folder is searched with all below it, but for folders of labels that
            ``predict_folder`` wrote. Images are paths, arrays (height,
            width[, channels]), tensors (channels, height, width) or images of Pillow,
            of any sizes; data sets have images, or tuples that begin with one.
            Unreadable files are left out, with a warning.
        y : None
            Ignored.
        align_to : DenseSegmenter, str, PathLike or None, default=None
            Fitted segmenter with the same backbone, or its file, whose numbers of
            clusters this fit takes over: a cluster has the number of the former one
            that shares most tokens of the sample with it, under the best one-to-one
            map. Numbers are 0 to ``n_clusters_ - 1`` nevertheless: a cluster without a
            partner takes one that is free, and so does a cluster whose former number is
            too large. Names of the same clusters are taken over, too. Unions are
            single clusters of the former segmenter, and are not made again.

        Returns
        -------
        self : DenseSegmenter
            Fitted. A fit that raises leaves the estimator as it was.

        Raises
        ------
        ValueError
            If there are no readable images, or parameters do not go together.
        OSError
            If weights of the backbone can neither be fetched nor read, or the folder
            of ``feature_cache`` has no room for the features.

        Warns
        -----
        AlignmentWarning
            If clusters are new or lost beside those of ``align_to``.
        ClusterWarning
            If many clusters occur in one picture only, or one cluster has most of the
            tokens.
        """
        self._check_parameters()
        clusterer = clusterer_of_tokens(self)
        former = FormerSegmenter(align_to, former_model(align_to, DenseSegmenter))
        found = readable(as_image_set(images))
        device, shard = resolve_device(self.device), current_shard()
        checkpoint = self._open_checkpoint(shard)
        seeds = common_seeds(checkpoint, shard, self.random_state)
        fit_task = FitTask.of_fit(self, images, N_STAGES)
        is_first = shard.rank == 0
        progress = Progress(int(self.verbose), fit_task, is_first=is_first)
        with progress.stage("backbone") as stage:
            backbone = make_backbone(self.backbone, device=device, seed=seeds.network)
            stage.result = f"{count_text(sum(backbone.n_channels), 'channel')} a token"
        former.load(backbone, self.device)
        clusterer._check_heads(sum(backbone.n_channels), "clusterer__")
        with progress.stage("features") as stage:
            prepared = self._prepared_windows(
                found, backbone, device, seeds, stage, sees_windows(clusterer)
            )
        keep_seeds(checkpoint, seeds)
        check_same_data(checkpoint, images=np.array(prepared.windows.sizes))
        sample = shard.first(lambda: prepared.sample(seeds.graph))
        clusterer.set_params(random_state=self._clusterer_seed(seeds))
        with fit_task.handed_on("clusters", clusterer):
            parts = fit_to_tokens(clusterer, sample, prepared, backbone, former)
        self._store(clusterer, backbone, prepared.units, len(found), *parts)
        checkpoint.clear()
        fit_task.end()
        return self

    def _clusterer_seed(self, seeds: Seeds) -> int:
        """Seed of the clusterer: a number that was given, or a drawn one."""
        given = self.random_state
        return int(given) if isinstance(given, Integral) else seeds.sampling

    def _open_checkpoint(self, shard: Shard) -> Checkpoint:
        """Seeds of the fit; the clusterer has a folder of its own inside."""
        path = self.checkpoint
        if path is None:
            return NOTHING_KEPT
        identity = identity_of(self, resolve_device(self.device))
        return common_checkpoint(shard, lambda: CheckpointFolder(path, identity))

    def _store(
        self,
        clusterer: NeuralEigenSpectralClustering,
        backbone: Backbone,
        units: Units,
        n_images: int,
        graph: Graph,
        occurrences: Occurrences,
    ) -> None:
        """Warn of the clusters, and set the attributes once nothing can fail."""
        warn_of_changes(clusterer.alignment_)
        warn_of_clusters(occurrences, across_parameter(clusterer, self.clusterer))
        score = modularity(
            graph.weights, clusterer.labels_[graph.index], uniform=graph.uniform
        )
        self.clusterer_ = clusterer
        self.backbone_ = backbone
        self.token_mean_, self.token_scale_ = units.mean, units.scale
        self.n_clusters_ = int(clusterer.labels_.max()) + 1
        self._groups = np.arange(self.n_clusters_)
        self._occurrences = occurrences
        # Names are of unions, once there are any.
        self.cluster_names_, clusterer.cluster_names_ = clusterer.cluster_names_, {}
        self.modularity_ = score
        self.n_images_ = n_images
        self.device_ = clusterer.device_
