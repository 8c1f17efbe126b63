"""Names, unions and pictures of clusters, and labels of folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from neuraleig._cluster_names import united, united_names
from neuraleig._terminal import each_with_bar
from neuraleig._typing import Array
from neuraleig.estimators._cluster_numbers import (
    copy_with_own_parts,
    labels_of,
    modularity_of,
)
from neuraleig.estimators._naming import NamedClusters
from neuraleig.segmentation._cluster_table import Occurrences
from neuraleig.segmentation._prediction import ImagePredictor
from neuraleig.segmentation.backbones._backbones import digest
from neuraleig.segmentation.backbones._feature_cache import cache_key
from neuraleig.segmentation.images._image_sets import readable
from neuraleig.segmentation.outputs import ClusterSheet, FolderReport
from neuraleig.segmentation.outputs._coco import checked_coco, write_coco
from neuraleig.segmentation.outputs._folders import predict_folder
from neuraleig.segmentation.outputs._sheets import cluster_sheet


class ClusterNaming(NamedClusters, ImagePredictor):
    """Base of the segmenter: names, unions and pictures of clusters."""

    n_clusters: int | str
    verbose: int
    modularity_: float
    _occurrences: Occurrences | None

    @property
    def cluster_table_(self) -> dict[str, Array] | None:
        """Size, pictures and confidence of every cluster, among the tokens of the fit.

        Columns are ``cluster``, its number; ``share`` of the tokens; ``n_pictures`` in
        which it occurs; ``largest_picture_share``, the share of its tokens in the
        picture that has most of them; and ``confidence``, their mean probability by
        the calibration of ``clusterer_``. ``pandas.DataFrame`` makes a table of it.

        Tokens of united clusters are counted together. After ``with_n_clusters`` the
        confidence is NaN where the number is not that of the fit. ``None`` after
        ``with_n_clusters`` of a model from a file, and for files of former versions.
        """
        found = self._occurrences
        return None if found is None else found.table(self._groups)

    def merge_clusters(self, groups: Iterable[Sequence[int]]) -> Self:
        """Make one cluster of several.

        Clusters are numbered anew: in the order of their first members. At the tokens
        the probability of a union is the sum of those of its members; between them
        scores are interpolated.

        Parameters
        ----------
        groups : iterable of sequences of int
            Clusters to be united; no cluster twice.

        Returns
        -------
        self : DenseSegmenter
            With fewer clusters. A union has the first name that a member had.

        Raises
        ------
        ValueError
            If there is no such cluster, or one is in two groups.
        """
        check_is_fitted(self)
        numbers = united(groups, self.n_clusters_)
        self._groups = np.asarray(numbers)[self._groups]
        self.n_clusters_ = max(numbers) + 1
        self.cluster_names_ = united_names(self.cluster_names_, numbers)
        return self

    def with_n_clusters(self, n_clusters: int) -> Self:
        """Make a fitted segmenter with another number of clusters, without a fit.

        It has the same backbone and ``clusterer_.with_n_clusters(n_clusters)``, which
        says what the clusters are. Names and unions of clusters are those of this
        number, and left behind.

        Parameters
        ----------
        n_clusters : int
            Number of clusters, on ``cluster_curve_``.

        Returns
        -------
        segmenter : DenseSegmenter
            New, with ``n_clusters`` as its parameter.

        Raises
        ------
        NotFittedError
            If the segmenter is not fitted.
        ValueError
            If it was fitted without a curve, the curve does not have this number, or
            the ``assign_labels`` of the clusterer has no such clusters.

        Examples
        --------
        >>> from sklearn.datasets import load_sample_images
        >>> from neuraleig import DenseSegmenter
        >>> images = load_sample_images().images
        >>> model = DenseSegmenter("auto", backbone="color_texture", image_size=160,
        ...                        max_clusters=12, random_state=0).fit(images)
        >>> model.with_n_clusters(3).n_clusters_
        3
        """
        check_is_fitted(self)
        made = copy_with_own_parts(self)
        made.clusterer_ = self.clusterer_.with_n_clusters(n_clusters)
        made.n_clusters = int(n_clusters)
        made.n_clusters_ = made.clusterer_.n_clusters_
        made._groups = np.arange(made.n_clusters_)
        if n_clusters != self.clusterer_.n_clusters_:
            made._occurrences = self._occurrences_of(n_clusters)
        made.cluster_names_ = {}
        made.modularity_ = modularity_of(self.clusterer_, n_clusters)
        return made

    def contact_sheet(
        self,
        images: Any,  # noqa: ANN401
        *,
        n_crops: int = 8,
        crop_size: int = 96,
    ) -> ClusterSheet:
        """Show what the clusters look like in images.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``: unreadable files are left out, with a warning.
        n_crops : int, default=8
            Crops per cluster, at most.
        crop_size : int, default=96
            Their side in pixels.

        Returns
        -------
        sheet : ClusterSheet
            A page with a row per cluster: colour, number, name, share of the pixels,
            number of images, and its largest regions. ``sheet.save(path)`` writes it.
        """
        found = readable(self._checked_images(images))
        return cluster_sheet(
            (
                (rgb, self._labels(rgb))
                for rgb in each_with_bar(
                    found, "neuraleig: sheet", "images", shown=bool(self.verbose)
                )
            ),
            self.n_clusters_,
            n_crops=n_crops,
            crop_size=crop_size,
            names=self.cluster_names_,
        )

    def predict_folder(
        self,
        src: Any,  # noqa: ANN401
        out: str | PathLike[str],
        *,
        overlays: bool = False,
        coco: str | PathLike[str] | None = None,
        overwrite: bool = False,
        progress: bool = True,
    ) -> FolderReport:
        """Label a folder of images, and write the labels into another.

        Parameters
        ----------
        src : folder, sequence of images or data set
            As for ``fit``.
        out : str or PathLike
            Folder for PNG files of labels in the same tree: with a palette, and of 16
            bits beyond 256 clusters. ``manifest.json`` lists them.
        overlays : bool, default=False
            Write pictures with coloured clusters, too.
        coco : str, PathLike or None, default=None
            JSON file for the labels of all images, those that are skipped included, in
            COCO's format: an annotation with a run-length encoded mask for every
            cluster of every image, a category for every cluster.
        overwrite : bool, default=False
            Begin anew. Else finished images are skipped, and results of another model,
            of other settings or of other images are refused.
        progress : bool, default=True
            Show a bar on terminals.

        Returns
        -------
        report : FolderReport
            What was written, skipped, and could not be read.
        """
        self._check_ready()
        annotated = None if coco is None else checked_coco(coco, Path(out))
        report = predict_folder(
            self._labels,
            src,
            out,
            n_labels=self.n_clusters_,
            fingerprint=self._fingerprint(),
            names=self.cluster_names_,
            overlays=overlays,
            overwrite=overwrite,
            progress=progress,
        )
        if annotated is not None:
            write_coco(annotated, report.manifest)
        return report

    def _occurrences_of(self, n_clusters: int) -> Occurrences | None:
        """Occurrences of another number of clusters, if its labels are known."""
        own = self._occurrences
        pictures = None if own is None else own.pictures
        labels = labels_of(self.clusterer_, n_clusters)
        # Of more tokens than the graph takes, some have labels only.
        if pictures is None or labels is None or len(labels) != len(pictures):
            return None
        return Occurrences.of(labels, pictures)

    def _fingerprint(self) -> str:
        """Text that differs where the labels of an image may differ."""
        weights = digest(
            self.eigenfunctions_.state_dict(),
            *self.clusterer_._discretizer.state_dict().values(),
            *map(torch.from_numpy, (self.token_mean_, self.token_scale_)),
        )
        radius = None if self.refine is None else float(self.refine_radius)
        seen = (tuple(map(float, self.scales)), bool(self.flip), self.refine, radius)
        backbone = (self.backbone_.identity, self.backbone_.products)
        groups = self._groups.tolist()
        return cache_key(weights, *map(str, (*backbone, self._view(), groups, *seen)))
