"""Unsupervised semantic segmentation of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from neuraleig._random import RandomState, Seeds
from neuraleig._warnings import warn_user
from neuraleig.fit import Progress
from neuraleig.networks import Assignment, Head
from neuraleig.segmentation._fit import FittedTokens, fit_tokens
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._parameters import SegmenterParameters
from neuraleig.segmentation._training import TokenContext
from neuraleig.segmentation.backbones import Backbone, Layers, extract, make_backbone
from neuraleig.segmentation.images._image_sets import as_image_set, readable
from neuraleig.spectrum import suggest_n_clusters
from neuraleig.training import (
    Callback,
    OptimizerName,
    Precision,
    begin_histories,
    check_callbacks,
    resolve_device,
)


class DenseSegmenter(SegmenterParameters):
    r"""Semantic segmentation of unlabelled images by neural eigenfunctions.

    A frozen backbone turns every patch of an image into a token. A transformer over
    the tokens learns the leading eigenfunctions of a graph among them, and clusters:
    tokens of similar features, and neighbouring pixels of similar colour, belong
    together. Clusters mean the same in every image, seen in the fit or not.

    Parameters
    ----------
    n_clusters : int, default=27
        Number of clusters.
    backbone : str or callable, default="vit_small_patch14_reg4_dinov2"
        Frozen features: the name of a vision transformer of timm (supervised, DeiT,
        DINO, DINOv2, DINOv3, CLIP), ``"color_texture"`` (by hand, without weights),
        or a callable or module from images (N, 3, H, W), RGB in [0, 1], to features
        (N, C, H / patch, W / patch) or a list of such maps, lowest level first.
    pretrained : bool, default=True
        Fetch the weights of a timm model from its hub; random ones otherwise.
    checkpoint : str, PathLike or None, default=None
        File of weights (safetensors or a state dict) to use instead.
    layers : "auto" or tuple of int, default="auto"
        Blocks of a timm model whose tokens are looked at; the graph is built on the
        last. ``"auto"``: first, middle and what suits the family.
    n_components : int or None, default=None
        Number of eigenfunctions, the constant one included. ``None``: one per
        cluster.
    n_neighbors : int, default=64
        Neighbours of a token in the graph: of the sample of tokens that the start
        solves, and, by the cosine, of a batch.
    pixel_weight : float, default=0.3
        Weight of the graph of pixels.
    queue_size : int, default=0
        Tokens of preceding batches to which the graph of a batch reaches.
    init : {"spectral", "random"}, default="spectral"
        Start from exact eigenvectors of a sample of tokens, or from random weights as
        published.
    max_graph_tokens : int, default=30_000
        Tokens of that sample.
    tokens_per_window : int or None, default=None
        About as many tokens of a window, on a lattice, take part in training;
        ``None``: 100 to 400, the fewer the more windows. Prediction looks at all.
    objective : {"rayleigh", "neuralef", "nested_low_rank"}, default="rayleigh"
        Objective of the eigenfunctions.
    label_objective : {"normalized_cut", "neuralef"}, default="normalized_cut"
        Objective of the soft assignments; ``"neuralef"`` is the published one.
    assign_labels : {"argmax", "kmeans"}, default="argmax"
        Clusters of the assignment head, or of k-means on the hidden features.
    diffusion_time : float, default=10.0
        Weight :math:`\lambda^t` of eigenvectors from which the start reads labels.
    hidden_size : int or None, default=256
        Width of the transformer; ``None``: that of the features.
    n_blocks, n_heads : int, default=2, 4
        Its depth, and heads of 64 channels each.
    mlp_size : int or None, default=None
        Width of its perceptrons; ``None``: twice ``hidden_size``.
    head : {"linear", "orthogonal"}, default="linear"
        Last layers.
    assignment : {"softmax", "gumbel_softmax"}, default="softmax"
        Soft assignments in training.
    temperature : tuple of two floats, default=(1.0, 1.0)
        Temperature of the soft assignments at the first and last step.
    batch_size : int or None, default=None
        Windows per step; ``None``: as many as have 6,400 tokens in training.
    max_iter : int or None, default=None
        Most steps of fine-tuning; ``None``: none, or 1,000 with ``init="random"``.
    lr : float, default=1e-3
        Highest learning rate of fine-tuning, which falls along a cosine.
    optimizer : {"adam", "muon"}, default="adam"
        Muon orthogonalises the steps of hidden layers, which takes time on CPUs.
    early_stopping : bool, default=True
        Keep the best state by a tenth of the windows, where there are at least 40.
    image_size : int or None, default=None
        Pixels of the shorter side at which images are seen; ``None``: their own. The
        longer side has at most 20 times as many.
    window_size : int or None, default=512
        Side of the windows that the backbone sees, rounded to whole patches; images
        below it are one window. ``None``: whole images.
    stride : int or None, default=None
        Distance of neighbouring windows; ``None``: two thirds of a window.
    scales : tuple of float, default=(1.0,)
        Sizes at which images are seen in prediction; their scores are averaged.
    flip : bool, default=False
        Whether they are seen mirrored, too.
    refine : {"guided"} or None, default=None
        Let labels follow the edges of the image, by a guided filter.
    refine_radius : float, default=1.0
        Radius of that filter in patches.
    feature_cache : {"auto"}, str, PathLike or None, default="auto"
        Where a fit keeps features: a temporary folder, a folder of yours for the next
        fits, or nowhere, so that every step runs the backbone. Where the disk has no
        room for them, ``"auto"`` warns and keeps nothing, and a folder is refused.
    device : str, default="auto"
        ``"auto"`` (CUDA where present) or a name that torch knows.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Products of the backbone on CUDA; ``"auto"`` is bfloat16 there.
    callbacks : list of Callback or None, default=None
        Called between the steps, see :class:`neuraleig.training.BaseCallback`.
    verbose : int, default=0
        Lines on stderr: 1, for every stage of the fit; 2, for every epoch, too.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn.

    Attributes
    ----------
    n_clusters_ : int
        Clusters that were found, and not merged.
    cluster_names_ : dict of int to str
        Names given to clusters.
    backbone_ : Backbone
        Frozen features.
    eigenfunctions_ : Eigenfunctions
        Torch module over the features of tokens.
    eigenvalues_ : ndarray of shape (n_components,)
        Rayleigh quotients of the learned functions, that of the constant first.
    graph_eigenvalues_ : ndarray
        Exact ones of the sample, where ``init="spectral"``.
    suggested_n_clusters_ : int
        Clusters before the largest gap of ``graph_eigenvalues_``.
    modularity_ : float
        Modularity of the clusters on the graph of the sample.
    loss_curve_ : list of float
        Loss of every step of fine-tuning.
    n_iter_ : int
        Steps of training in all.
    n_images_ : int
        Images of the fit.
    device_ : str
        Where the fit ran.

    See Also
    --------
    neuraleig.NeuralEigenSpectralClustering : The same for rows of features.

    Notes
    -----
    ``image_size``, ``window_size``, ``stride``, ``scales``, ``flip``, ``refine`` and
    ``refine_radius`` hold for predictions as they are at the time: ``set_params`` may
    change them on a fitted segmenter. All others but those of ``score`` are settled by
    the fit.

    Memory of a fit: the backbone, one image (some 30 bytes per pixel at which it is
    seen) with windows of 16,384 tokens, the sample of tokens (4 bytes per channel: 140
    MB for 30,000 of 1,152), a step (some 30 kB per token of a batch), and 2 bytes per
    token and channel on disk. Of a prediction: one batch of windows, and the lattice
    of tokens times clusters; pixels times clusters are never held.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_sample_images
    >>> from neuraleig import DenseSegmenter
    >>> images = load_sample_images().images
    >>> model = DenseSegmenter(4, backbone="color_texture", hidden_size=64, n_heads=1,
    ...                        image_size=160, random_state=0).fit(images)
    >>> model.predict(images[0]).shape
    (427, 640)
    """

    def __init__(
        self,
        n_clusters: int = 27,
        *,
        backbone: str | Callable[..., Any] = "vit_small_patch14_reg4_dinov2",
        pretrained: bool = True,
        checkpoint: str | PathLike[str] | None = None,
        layers: Layers = "auto",
        n_components: int | None = None,
        n_neighbors: int = 64,
        pixel_weight: float = 0.3,
        queue_size: int = 0,
        init: str = "spectral",
        max_graph_tokens: int = 30_000,
        tokens_per_window: int | None = None,
        objective: str = "rayleigh",
        label_objective: str = "normalized_cut",
        assign_labels: str = "argmax",
        diffusion_time: float = 10.0,
        hidden_size: int | None = 256,
        n_blocks: int = 2,
        n_heads: int = 4,
        mlp_size: int | None = None,
        head: Head = "linear",
        assignment: Assignment = "softmax",
        temperature: tuple[float, float] = (1.0, 1.0),
        batch_size: int | None = None,
        max_iter: int | None = None,
        lr: float = 1e-3,
        optimizer: OptimizerName = "adam",
        early_stopping: bool = True,
        image_size: int | None = None,
        window_size: int | None = 512,
        stride: int | None = None,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        refine: str | None = None,
        refine_radius: float = 1.0,
        feature_cache: str | PathLike[str] | None = "auto",
        device: str = "auto",
        precision: Precision = "auto",
        callbacks: Sequence[Callback] | None = None,
        verbose: int = 0,
        random_state: RandomState = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.backbone = backbone
        self.pretrained = pretrained
        self.checkpoint = checkpoint
        self.layers = layers
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.pixel_weight = pixel_weight
        self.queue_size = queue_size
        self.init = init
        self.max_graph_tokens = max_graph_tokens
        self.tokens_per_window = tokens_per_window
        self.objective = objective
        self.label_objective = label_objective
        self.assign_labels = assign_labels
        self.diffusion_time = diffusion_time
        self.hidden_size = hidden_size
        self.n_blocks = n_blocks
        self.n_heads = n_heads
        self.mlp_size = mlp_size
        self.head = head
        self.assignment = assignment
        self.temperature = temperature
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.lr = lr
        self.optimizer = optimizer
        self.early_stopping = early_stopping
        self.image_size = image_size
        self.window_size = window_size
        self.stride = stride
        self.scales = scales
        self.flip = flip
        self.refine = refine
        self.refine_radius = refine_radius
        self.feature_cache = feature_cache
        self.device = device
        self.precision = precision
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, images: Any, y: None = None) -> Self:  # noqa: ANN401
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
        """
        self._check_parameters()
        found = readable(as_image_set(images))
        device = resolve_device(self.device)
        seeds = Seeds.draw(self.random_state)
        backbone = make_backbone(
            self.backbone,
            device=device,
            pretrained=self.pretrained,
            checkpoint=self.checkpoint,
            layers=self.layers,
            seed=seeds.network,
        )
        if self.hidden_size is None:
            self._check_width(sum(backbone.n_channels))
        geometry = Geometry(
            backbone.patch_size, self.image_size, self.window_size, self.stride
        )
        dtype = self._backbone_dtype(device)
        context = self._context(backbone, seeds, device)
        with self._open_store(backbone, geometry, dtype) as store:
            windows = ImageWindows(
                found,
                geometry,
                lambda pixels: extract(backbone, pixels, device, dtype),
                store,
            )
            with context.progress.stage("features") as stage:
                self._fill(windows, backbone)
                stage.result = f"{len(windows)} windows of {len(found)} images"
            fit_id = begin_histories(context.callbacks)
            fitted = fit_tokens(windows, self._task(), context)
        self._store(fitted, backbone, geometry, dtype, len(found))
        self._fit_id = fit_id
        return self

    def _context(
        self, backbone: Backbone, seeds: Seeds, device: torch.device
    ) -> TokenContext:
        return TokenContext(
            self._settings(),
            backbone.n_channels[-1],
            seeds,
            device,
            Progress(int(self.verbose)),
            check_callbacks(self.callbacks),
        )

    def _store(
        self,
        fitted: FittedTokens,
        backbone: Backbone,
        geometry: Geometry,
        dtype: torch.dtype,
        n_images: int,
    ) -> None:
        """Set the attributes of a fit."""
        eigenfunctions = fitted.eigenfunctions
        n_found = int(fitted.labels.max()) + 1
        if n_found < self.n_clusters:
            warn_user(
                f"Only {n_found} of n_clusters={self.n_clusters} clusters have tokens; "
                "lower n_clusters, or add images.",
                ConvergenceWarning,
            )
        self.backbone_ = backbone
        self.eigenfunctions_ = eigenfunctions
        self._geometry = geometry
        self._dtype = dtype
        self._groups = np.arange(n_found)
        self.cluster_names_: dict[int, str] = {}
        self.n_clusters_ = n_found
        self.eigenvalues_ = eigenfunctions.eigenvalues.cpu().numpy().copy()
        self.graph_eigenvalues_ = self.eigenvalues_
        if fitted.targets is not None:
            self.graph_eigenvalues_ = fitted.targets.eigenvalues
        self.suggested_n_clusters_ = suggest_n_clusters(self.graph_eigenvalues_)
        self.modularity_ = fitted.modularity
        self.loss_curve_ = fitted.losses
        self.n_iter_ = fitted.n_updates
        self.n_images_ = n_images
        self.device_ = str(next(eigenfunctions.parameters()).device)
