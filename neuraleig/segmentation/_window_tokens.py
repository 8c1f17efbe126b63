"""Tokens of windows of pixels: from the backbone, or from a store that has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraleig.segmentation.backbones import Backbone, extract
from neuraleig.segmentation.backbones._backbones import CPU_TOKENS, CUDA_TOKENS
from neuraleig.segmentation.backbones._feature_cache import (
    FeatureCache,
    NoCache,
    cache_key,
    half_precision,
    pixels_identity,
)

# Last channels of stored tokens: their mean colour.
N_COLORS = 3


def windows_at_a_time(n_tokens: int, device: torch.device) -> int:
    """Windows of ``n_tokens`` that are one forward pass: 4,096 tokens, 16,384 on CUDA.

    A fit and every prediction have the same batches: products of other sizes may
    differ in their last bits, and stored features would differ from those computed.
    """
    most = CUDA_TOKENS if device.type == "cuda" else CPU_TOKENS
    return max(1, most // n_tokens)


def tokens_key(backbone: Backbone, device: torch.device) -> str:
    """Key of a store of the tokens of a backbone."""
    return cache_key(backbone.identity, str(backbone.products), device.type)


@dataclass(frozen=True)
class WindowTokens:
    """Features and colours of the tokens of windows, in half precision.

    They depend on the pixels alone, and a store knows them by these: the same image in
    another folder, array or call is found. Without a store they are rounded as well,
    so that nothing depends on whether there is one.

    Parameters
    ----------
    backbone : Backbone
        On the device.
    device : torch.device
        Device of the backbone.
    store : NoCache
        Keeps the tokens of every batch of windows.
    """

    backbone: Backbone
    device: torch.device
    store: NoCache

    def __call__(self, windows: Tensor) -> Tensor:
        """Features (n, h, w, n_channels) of windows (n, 3, ...), float32, on device."""
        return self.read(windows)[0][..., :-N_COLORS].to(self.device).float()

    def read(self, windows: Tensor) -> tuple[Tensor, str | None]:
        """Features and colours (n, h, w, n_channels + 3) of windows, and their item.

        float16, on any device. Without a store there is no item.
        """
        if not isinstance(self.store, FeatureCache):
            return self._computed(windows), None
        item = pixels_identity(windows)
        stored = self.stored(item)
        if stored is None:
            stored = self._computed(windows).cpu()
            self.store.put(item, stored.numpy())
        return stored, item

    def stored(self, item: str) -> Tensor | None:
        """Features and colours of an item; ``None`` where the store has none."""
        found = self.store.get(item)
        # A copy: torch takes no arrays that are read-only.
        return None if found is None else torch.from_numpy(np.array(found))

    def _computed(self, windows: Tensor) -> Tensor:
        features = extract(self.backbone, windows, self.device)
        colors = F.avg_pool2d(windows, self.backbone.patch_size).permute(0, 2, 3, 1)
        return half_precision(torch.cat([features, colors.to(self.device)], dim=3))
