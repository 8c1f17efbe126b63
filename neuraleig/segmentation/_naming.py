"""What clusters are called, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from neuraleig._typing import IntArray
from neuraleig.metrics import modularity
from neuraleig.segmentation._fit import labels_of_sample
from neuraleig.segmentation._image_windows import ImageWindows
from neuraleig.segmentation._prediction import ImagePredictor
from neuraleig.segmentation._token_sample import SampleRules
from neuraleig.segmentation.backbones import NoCache, cache_key, digest, extract
from neuraleig.segmentation.evaluation import (
    IGNORE_INDEX,
    ClusterMatching,
    ConfusionMatrix,
    Matching,
    SegmentationScores,
    match_clusters,
)
from neuraleig.segmentation.images import (
    Labels,
    is_one_image,
    mask_sequence,
    read_mask,
    readable,
)
from neuraleig.segmentation.outputs import (
    ClusterSheet,
    FolderReport,
    cluster_sheet,
    predict_folder,
)

# No set has so many classes: larger values stand for none, such as 65535.
MOST_CLASSES = 10_000


class ClusterNaming(ImagePredictor):
    """Base of what names, merges, shows and scores clusters."""

    cluster_names_: dict[int, str]
    n_clusters_: int

    def name_clusters(self, names: Mapping[int, str]) -> Self:
        """Name clusters, for folders, sheets and tables.

        Parameters
        ----------
        names : mapping of int to str
            Names by cluster; those of other clusters stay. An empty name removes one.

        Returns
        -------
        self : DenseSegmenter
            With other ``cluster_names_``.

        Raises
        ------
        ValueError
            If there is no such cluster, or a name is no text.
        """
        check_is_fitted(self)
        for cluster, name in names.items():
            self._check_cluster(cluster)
            if not isinstance(name, str):
                raise ValueError(
                    f"names has {name!r} for cluster {cluster}; not a str."
                )
        merged = {**self.cluster_names_, **{int(c): n for c, n in names.items()}}
        self.cluster_names_ = {c: merged[c] for c in sorted(merged) if merged[c]}
        return self

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
        first = np.arange(self.n_clusters_)
        seen: set[int] = set()
        for group in groups:
            members = [self._check_cluster(cluster) for cluster in group]
            again = seen.intersection(members)
            if again or len(set(members)) < len(members):
                raise ValueError(
                    f"groups has a cluster twice: {sorted(again or members)}; each may "
                    "be in one group."
                )
            seen.update(members)
            if members:
                first[members] = min(members)
        kept, renumbered = np.unique(first, return_inverse=True)
        names: dict[int, str] = {}
        for cluster, name in self.cluster_names_.items():
            names.setdefault(int(renumbered[cluster]), name)
        self._groups = renumbered[self._groups]
        self.n_clusters_ = len(kept)
        self.cluster_names_ = dict(sorted(names.items()))
        return self

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
            and its largest regions. ``sheet.save(path)`` writes it.
        """
        found = readable(self._checked_images(images))
        return cluster_sheet(
            ((rgb, self._labels(rgb)) for rgb in found),
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
        return predict_folder(
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

    def match(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        *,
        how: Matching = "majority",
        n_classes: int | None = None,
        ignore_index: int | None = IGNORE_INDEX,
    ) -> ClusterMatching:
        """Find the class of every cluster, by labelled images.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``.
        masks : mask or sequence of masks
            Classes of the pixels of every image: paths of PNG files, or arrays of
            integers.
        how : {"majority", "hungarian"}, default="majority"
            Several clusters to a class, or one to one.
        n_classes : int or None, default=None
            Number of classes; ``None``: one more than the largest in the masks. Say
            it where images that are scored later may have a class that these lack.
        ignore_index : int or None, default=255
            Value of pixels without a class.

        Returns
        -------
        matching : ClusterMatching
            ``classes`` of the clusters, -1 for none; ``apply(labels)`` turns labels
            into classes, ``scores(confusion)`` says how well.

        Raises
        ------
        ValueError
            If masks have other sizes than their images or values that are no classes,
            or the largest is too large to be one and ``n_classes`` is not given.
        """
        counts = self._confusion(images, masks, n_classes, ignore_index)
        return match_clusters(counts, how)

    def evaluate(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        matching: ClusterMatching,
        *,
        class_names: Sequence[str] | None = None,
        ignore_index: int | None = IGNORE_INDEX,
    ) -> SegmentationScores:
        """Score classes of clusters that were found by other images.

        Parameters
        ----------
        images, masks, ignore_index
            As for :meth:`match`; images that it did not see.
        matching : ClusterMatching
            What it returned.
        class_names : sequence of str or None, default=None
            Names of the ``matching.n_classes`` classes.

        Returns
        -------
        scores : SegmentationScores
            Pixel accuracy, mean IoU, and a ``table()`` of the classes.

        Raises
        ------
        ValueError
            If masks have other sizes than their images or classes that the map has
            not, or ``class_names`` are too many or too few.

        See Also
        --------
        neuraleig.segmentation.evaluate : Map and scores of a data set by a protocol.
        """
        if class_names is not None and len(class_names) != matching.n_classes:
            raise ValueError(
                f"class_names has {len(class_names)} names, but the map is to "
                f"{matching.n_classes} classes; name each of them, or pass "
                f"n_classes={len(class_names)} to match, whose masks may lack some."
            )
        counts = self._confusion(images, masks, matching.n_classes, ignore_index)
        return matching.scores(counts, class_names)

    def score(self, images: Any, y: Any = None) -> float:  # noqa: ANN401
        """Mean IoU by labelled images, or modularity without labels.

        Parameters
        ----------
        images : image, folder, sequence of images or data set
            As for ``fit``. Unreadable files are left out, with a warning, where there
            are no masks that belong to them.
        y : sequence of masks or None, default=None
            Classes, 255 for none. ``None``: clusters are judged by their modularity on
            a graph of tokens of the images, which can be compared between numbers of
            clusters. These are labels of some tokens of every window, alone: overlaps
            are not blended, and ``scales``, ``flip`` and ``refine`` change nothing.

        Returns
        -------
        score : float
            At most 1; higher is better. With masks the mean IoU of the best
            many-to-one matching on these very images.
        """
        if y is not None:
            counts = self._confusion(images, y, None, IGNORE_INDEX)
            return match_clusters(counts, "majority").scores(counts).mean_iou
        found = readable(self._checked_images(images))
        trunk = self._module.trunk
        windows = ImageWindows(
            found,
            self._view(),
            lambda pixels: extract(self.backbone_, pixels, self._device, self._dtype),
            NoCache(),
        )
        rules = SampleRules(
            self.tokens_per_window,
            self.max_graph_tokens,
            self.backbone_.n_channels[-1],
            self.n_neighbors,
            self.pixel_weight,
            self._device,
        )
        # Seed 0: the same tokens on every call.
        prepared = rules.prepare(windows, trunk.shift.cpu(), trunk.scale.cpu(), 0)
        sample = rules.draw(prepared, 0)
        labels = labels_of_sample(self.eigenfunctions_, sample, self._groups)
        return modularity(sample.graph.weights, labels)

    def _confusion(
        self,
        images: Any,  # noqa: ANN401
        masks: Any,  # noqa: ANN401
        n_classes: int | None,
        ignore_index: int | None,
    ) -> IntArray:
        """Pixels of every class and cluster."""
        found = self._checked_images(images)
        alone = is_one_image(images)
        given = [masks] if alone else mask_sequence(masks, len(found))
        if n_classes is None:
            n_classes = _number_of_classes(given, ignore_index)
        counts = ConfusionMatrix(n_classes, self.n_clusters_, ignore_index)
        for number, rgb in enumerate(found):
            mask = read_mask(given[number])
            counts.update(mask, self._labels(rgb), image=f"image {number}")
        return counts.counts

    def _check_cluster(self, cluster: int) -> int:
        """Refuse numbers that are none of clusters."""
        if not isinstance(cluster, Integral) or not 0 <= cluster < self.n_clusters_:
            raise ValueError(
                f"there is no cluster {cluster!r}; clusters are 0 to "
                f"{self.n_clusters_ - 1}."
            )
        return int(cluster)

    def _fingerprint(self) -> str:
        """What decides the labels of an image, however it is written."""
        groups = self._groups.tolist()
        parts = (self.backbone_.identity, self._view(), self._dtype, groups)
        scales = tuple(map(float, self.scales))
        radius = None if self.refine is None else float(self.refine_radius)
        seen = (scales, bool(self.flip), self.refine, radius)
        weights = digest(dict(self._module.state_dict()))
        return cache_key(weights, *map(str, (*parts, *seen)))


def _number_of_classes(masks: Sequence[Any], ignore_index: int | None) -> int:
    """One more than the largest class."""
    largest = max(_largest(read_mask(mask), ignore_index) for mask in masks)
    if largest >= MOST_CLASSES:
        raise ValueError(
            f"masks have the value {largest}, which would make {largest + 1} classes; "
            f"pass ignore_index={largest} if it stands for no class, or n_classes."
        )
    return largest + 1


def _largest(mask: Labels, ignore_index: int | None) -> int:
    """Largest class of a mask; 0 where it has none."""
    classes = mask[mask != ignore_index] if ignore_index is not None else mask
    return int(classes.max(initial=0))
