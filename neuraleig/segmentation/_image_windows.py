"""Windows of images as their tokens, read from a cache or from the backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation.backbones._backbones import CUDA_TOKENS
from neuraleig.segmentation.backbones._feature_cache import (
    FeatureCache,
    NoCache,
    image_identity,
    stored_bytes,
)
from neuraleig.segmentation.images._image_sets import ImageSet

Extract = Callable[[Tensor], Tensor]
"""Takes windows (n, 3, height, width) and returns features (n, h, w, n_channels)."""

N_COLORS = 3


class ImageWindows:
    """All windows of a set of images, each read when it is asked for.

    Memory of one image, and of the windows that are in use: one, or those of some
    16,384 tokens while a store is filled.

    Parameters
    ----------
    images : ImageSet
        All of them readable.
    geometry : Geometry
        Sizes of images and windows.
    extract : callable
        The frozen backbone.
    store : FeatureCache or NoCache
        Keeps the features, with the colours of the tokens.
    """

    def __init__(
        self, images: ImageSet, geometry: Geometry, extract: Extract, store: NoCache
    ) -> None:
        self.images = images
        self.extract = extract
        self.store = store
        self._geometry = geometry
        self._lattices = [geometry.lattice(*images.size(i)) for i in range(len(images))]
        counts = [len(lattice.windows) for lattice in self._lattices]
        self._first = list(accumulate(counts, initial=0))
        self._identities: dict[int, str] = {}
        # Image of every window, and its height and width in tokens.
        self.pictures: IntArray = np.repeat(np.arange(len(counts)), counts)
        self.sizes = [
            (window.height, window.width)
            for lattice in self._lattices
            for window in lattice.windows
        ]

    def __len__(self) -> int:
        """Number of windows of all images."""
        return self._first[-1]

    def __getitem__(self, index: int, /) -> TokenWindow:
        """Tokens of a window."""
        image = int(self.pictures[index])
        number = index - self._first[image]
        item = self._item(image, number)
        stored = self.store.get(item)
        if stored is None:
            ((_, computed),) = self._computed(image, [number])
            stored = self.store.put(item, computed)
        tokens = torch.from_numpy(stored.astype(np.float32))
        return TokenWindow(tokens[..., :-N_COLORS], tokens[..., -N_COLORS:])

    def missing_bytes(self, store: FeatureCache, n_channels: int) -> int:
        """Bytes that a store still lacks, of windows with so many features a token."""
        return sum(
            stored_bytes(window.height * window.width, n_channels + N_COLORS)
            for image, lattice in enumerate(self._lattices)
            for number, window in enumerate(lattice.windows)
            if not store.holds(self._item(image, number))
        )

    def fill(self) -> None:
        """Put windows that the store lacks through the backbone, a few at a time.

        Stored files are not read: damage is found when a window is asked for.
        """
        store = self.store
        if not isinstance(store, FeatureCache):
            return
        for image, lattice in enumerate(self._lattices):
            items = [self._item(image, n) for n in range(len(lattice.windows))]
            missing = [n for n, item in enumerate(items) if not store.holds(item)]
            if missing:
                for number, tokens in self._computed(image, missing):
                    store.put(items[number], tokens)

    def _computed(
        self, image: int, numbers: Sequence[int]
    ) -> Iterator[tuple[int, Tensor]]:
        """Features and colours of some windows of one image, one after the other."""
        lattice = self._lattices[image]
        padded = lattice.pad(self._geometry.seen(self.images[image]))
        colors = lattice.token_colors(padded)
        window = lattice.windows[0]
        # One forward pass on CUDA, some on a CPU, whatever the size of the image.
        at_a_time = max(1, CUDA_TOKENS // (window.height * window.width))
        for start in range(0, len(numbers), at_a_time):
            part = numbers[start : start + at_a_time]
            pixels = torch.stack([lattice.window(padded, number) for number in part])
            for number, own in zip(part, self.extract(pixels).cpu(), strict=True):
                place = lattice.windows[number].tokens
                yield number, torch.cat([own, colors[place]], dim=2)

    def _item(self, image: int, number: int) -> str:
        """Name of a window in the store; files of images are not read for it."""
        if image not in self._identities:
            path = self.images.path(image)
            known = self.images[image] if path is None else path
            self._identities[image] = image_identity(known)
        return f"{self._identities[image]}/{number}"
