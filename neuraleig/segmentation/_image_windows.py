"""Windows of images as their tokens, read from a cache or from the backbone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neuraleig.sampling import TokenWindow
from neuraleig.segmentation._geometry import Geometry
from neuraleig.segmentation.backbones import (
    FeatureCache,
    FeatureStore,
    NoCache,
    image_identity,
    stored_bytes,
)
from neuraleig.segmentation.images import ImageSet
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
    Memory of one image, and of the windows that are in use.
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
        return self._read(image, [index - self._first[image]])[0]

    def missing_bytes(self, store: FeatureCache, n_channels: int) -> int:
        """Bytes that a store still lacks, of windows with so many features a token."""
        return sum(
            stored_bytes(window.height * window.width, n_channels + N_COLORS)
            for image, lattice in enumerate(self._lattices)
            for number, window in enumerate(lattice.windows)
            if not store.holds(self._item(image, number))
        )

    def fill(self) -> None:
        """Put all windows through the backbone, image by image, if they are kept."""
        if isinstance(self.store, NoCache):
            return
        for image, lattice in enumerate(self._lattices):
            self._read(image, list(range(len(lattice.windows))))

    def _read(self, image: int, numbers: list[int]) -> list[TokenWindow]:
        """Some windows of one image."""
        items = [self._item(image, number) for number in numbers]

        def compute(missing: list[int]) -> list[Tensor]:
            return self._compute(image, [numbers[i] for i in missing])

        stored = self.store.fetch(items, compute)
        tokens = [torch.from_numpy(part.astype(np.float32)) for part in stored]
        return [TokenWindow(t[..., :-N_COLORS], t[..., -N_COLORS:]) for t in tokens]

    def _compute(self, image: int, numbers: list[int]) -> list[Tensor]:
        """Features and colours of some windows of one image."""
        lattice: Lattice = self._lattices[image]
        padded = lattice.pad(self._geometry.seen(self.images[image]))
        colors = lattice.token_colors(padded)
        pixels = torch.stack([lattice.window(padded, number) for number in numbers])
        features = self.extract(pixels).cpu()
        places = [lattice.windows[number].tokens for number in numbers]
        return [
            torch.cat([own, colors[place]], dim=2)
            for own, place in zip(features, places, strict=True)
        ]

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
