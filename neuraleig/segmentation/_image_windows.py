"""Windows of images as their tokens, read from a store or from the backbone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Self

import numpy as np
import torch
from torch import Tensor

from neuraleig._typing import IntArray
from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation._window_tokens import (
    N_COLORS,
    WindowTokens,
    windows_at_a_time,
)
from neuraleig.segmentation.backbones._feature_cache import NoCache
from neuraleig.segmentation.images._image_sets import ImageSet
from neuraleig.segmentation.inference import Lattice

# Of a batch of windows: its image, and its number there.
Place = tuple[int, int]


class ImageWindows:
    """All windows of a set of images, each read when it is asked for.

    Memory of one image and one batch of windows.

    Parameters
    ----------
    images : ImageSet
        All of them readable.
    geometry : Geometry
        Sizes of images and windows.
    tokens : WindowTokens
        Source of features and colours.
    """

    def __init__(
        self, images: ImageSet, geometry: Geometry, tokens: WindowTokens
    ) -> None:
        self.images = images
        self.tokens = tokens
        self._geometry = geometry
        self._lattices = [geometry.lattice(*images.size(i)) for i in range(len(images))]
        counts = [len(lattice.windows) for lattice in self._lattices]
        self._first = list(accumulate(counts, initial=0))
        # Image of every window, and its height and width in tokens.
        self.pictures: IntArray = np.repeat(np.arange(len(counts)), counts)
        self.sizes = [
            (window.height, window.width)
            for lattice in self._lattices
            for window in lattice.windows
        ]
        # Items of the store that were read: their images need not be read again.
        self._items: dict[Place, str] = {}
        self._image: tuple[int, Tensor] | None = None
        self._batch: tuple[Place, Tensor] | None = None

    def __len__(self) -> int:
        """Number of windows of all images."""
        return self._first[-1]

    def __getitem__(self, index: int, /) -> TokenWindow:
        """Tokens of a window."""
        image = int(self.pictures[index])
        number = index - self._first[image]
        at_a_time = self._at_a_time(self._lattices[image])
        batch = self._read((image, number // at_a_time))
        tokens = batch[number % at_a_time].float()
        return TokenWindow(tokens[..., :-N_COLORS], tokens[..., -N_COLORS:])

    def stored_bytes(self, numbers: Iterable[int]) -> int:
        """Bytes of some windows in a store."""
        n_channels = sum(self.tokens.backbone.n_channels) + N_COLORS
        return sum(2 * n_channels * math.prod(self.sizes[n]) for n in numbers)

    def with_store(self, store: NoCache) -> Self:
        """The same windows, of which nothing is read yet, with another store."""
        return type(self)(
            self.images, self._geometry, replace(self.tokens, store=store)
        )

    def _at_a_time(self, lattice: Lattice) -> int:
        window = lattice.windows[0]
        return windows_at_a_time(window.height * window.width, self.tokens.device)

    def _read(self, place: Place) -> Tensor:
        """Features and colours (n, h, w, n_channels + 3) of a batch of windows."""
        if self._batch is None or self._batch[0] != place:
            self._batch = place, self._tokens_of(place)
        return self._batch[1]

    def _tokens_of(self, place: Place) -> Tensor:
        if place in self._items:
            stored = self.tokens.stored(self._items[place])
            if stored is not None:
                return stored
        image, number = place
        lattice, padded = self._lattices[image], self._padded(image)
        at_a_time = self._at_a_time(lattice)
        part = range(len(lattice.windows))[number * at_a_time :][:at_a_time]
        tokens, item = self.tokens.read(
            torch.stack([lattice.window(padded, window) for window in part])
        )
        if item is not None:
            self._items[place] = item
        return tokens.cpu()

    def _padded(self, image: int) -> Tensor:
        """Pixels of an image as it is seen; the last one is kept."""
        if self._image is None or self._image[0] != image:
            seen = self._geometry.seen(self.images[image])
            self._image = image, self._lattices[image].pad(seen)
        return self._image[1]
