"""Windows of images as their tokens, read from a cache or from the backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation.backbones import (
    CUDA_TOKENS,
    FeatureCache,
    FeatureStore,
    image_identity,
    stored_bytes,
)
from neuraleig.segmentation.images._image_sets import ImageSet
from neuraleig.segmentation.inference import Lattice

Extract = Callable[[Tensor], Tensor]
"""Takes windows (n, 3, height, width) and returns features (n, h, w, n_channels)."""

N_COLORS = 3


class ImageWindows:
    """All windows of a set of images, each read when it is asked for.

    Parameters
    ----------
    images : ImageSet
        All of them readable.
    geometry : Geometry
        How they become windows.
    extract : callable
        The frozen backbone.
    store : FeatureStore
        Keeps what the backbone says, the colours of the tokens with it.

    Notes
    -----
    Memory of one image, and of the windows that are in use: one, or those of some
    16,384 tokens while a store is filled.
    """

    def __init__(
        self,
        images: ImageSet,
        geometry: Geometry,
        extract: Extract,
        store: FeatureStore,
    ) -> None:
        self.images = images
        self.extract = extract
        self.store = store
        self._geometry = geometry
        self._lattices = [geometry.lattice(*images.size(i)) for i in range(len(images))]
        counts = [len(lattice.windows) for lattice in self._lattices]
        self._first = list(accumulate(counts, initial=0))
        self._identities: dict[int, str] = {}
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
        image = int(np.searchsorted(self._first, index, side="right")) - 1
        number = index - self._first[image]
        (stored,) = self.store.fetch(
            [self._item(image, number)],
            lambda _: [tokens for _, tokens in self._computed(image, [number])],
        )
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

        What is stored is not read: damage is found when it is asked for.
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
        lattice: Lattice = self._lattices[image]
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
        """Under what a store has a window."""
        return f"{self._identity(image)}/{number}"

    def _identity(self, image: int) -> str:
        """What tells the image from others; files are not read for it."""
        if image not in self._identities:
            path: Path | None = self.images.path(image)
            known = self.images[image] if path is None else path
            self._identities[image] = image_identity(known)
        return self._identities[image]
