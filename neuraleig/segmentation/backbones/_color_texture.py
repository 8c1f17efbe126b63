"""Backbone without weights: colour and texture of patches by fixed filters."""

from __future__ import annotations

import math
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraleig.segmentation.backbones._backbones import Backbone
from neuraleig.segmentation.images._color import rgb_to_lab

SMALLEST_PATCH = 4
# Widths of the filters, in patches.
SCALES = (1 / 8, 1 / 4, 1 / 2)
# Colour has little detail: its edges are read at the first two of them.
N_COLOR_SCALES = 2
ORIENTATIONS = (0.0, 45.0, 90.0, 135.0)
# Side of the squares of patches that the graph's features are averages over.
CONTEXTS = (1, 3, 5)
# Changes below about one step of 8 bits are noise.
NOISE = 0.3
# Centre and spread of the features over patches of photographs, rounded from those of
# scikit-learn's two sample images at two sizes; colour is taken to be grey on average.
# Energies by scale: their logarithms differ by less than a third of their spread.
LIGHTNESS = (50.0, 25.0)
COLOR = (0.0, 12.0)
LIGHTNESS_DEVIATION = (0.8, 1.3)
COLOR_DEVIATION = (0.6, 1.05)
SLOPES = ((-0.1, 1.1), (0.05, 1.1), (0.2, 1.1))
BENDS = ((-0.3, 1.1), (-0.2, 1.1), (-0.05, 1.1))
COLOR_EDGES = (0.1, 0.95)


def gaussian_derivatives(sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """Gaussian of a width in pixels and its first two derivatives, to be correlated.

    Scaled to give 1 for constants, ramps of slope ``1 / sigma`` and parabolas
    ``(x / sigma)^2 / 2``, and 0 for lower powers: responses are of one size at all
    scales.
    """
    radius = math.ceil(3 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma
    smooth = torch.exp(-x.square() / 2)
    smooth = smooth / smooth.sum()
    first = x * smooth
    first = first / (first * x).sum()
    second = (x.square() - (smooth * x.square()).sum()) * smooth
    second = second / (second * x.square()).sum() * 2
    return smooth.float(), first.float(), second.float()


class ColorTexture(Backbone):
    """Colour and texture of patches, without weights and without a download.

    A baseline, and a stand-in for a pretrained network in examples and tests: it
    describes the look of places and recognises no objects. Levels:

    * low: mean and standard deviation of Lab colour over the patch;
    * mid: energies of oriented first and second derivatives of lightness (edges,
      lines, grain) at three scales, and of colour edges at two;
    * high: both, averaged over squares of 1, 3 and 5 patches.

    Deviations and energies are logarithms. All are centred and scaled by constants of
    natural images, such that each kind weighs about the same in a cosine similarity.

    Parameters
    ----------
    patch_size : int, default=8
        Pixels per token, at least 4. Filters are scaled with it.

    Attributes
    ----------
    patch_size : int
        As given.
    n_channels : tuple of three ints
        Features of the levels.
    identity : str
        Kind, patch size and a version of the formula.

    Raises
    ------
    ValueError
        If ``patch_size`` is not an integer of at least 4.

    Notes
    -----
    At borders squares are cut off and pixels repeated, so that features there are of
    the same size as inside. Moving an image by whole patches moves its tokens.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.segmentation import ColorTexture
    >>> [tuple(level.shape) for level in ColorTexture()(torch.rand(1, 3, 32, 48))]
    [(1, 6, 4, 6), (1, 28, 4, 6), (1, 102, 4, 6)]
    """

    center: Tensor
    scale: Tensor

    # Chosen on synthetic scenes: with 0.1 the mean IoU of new ones is 0.04 lower.
    pixel_weight = 0.3

    def __init__(self, patch_size: int = 8) -> None:
        super().__init__()
        valid = isinstance(patch_size, Integral) and not isinstance(patch_size, bool)
        if not valid or patch_size < SMALLEST_PATCH:
            raise ValueError(
                f"patch_size={patch_size!r} must be an integer of at least "
                f"{SMALLEST_PATCH}."
            )
        self.patch_size = int(patch_size)
        center, scale = _constants()
        self.register_buffer("center", center, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        n_low, n_all = 6, center.shape[0]
        self.n_channels = (n_low, n_all - n_low, n_all * len(CONTEXTS))
        self.identity = f"color_texture/1/patch_size={self.patch_size}"
        self.eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the features of images.

        Parameters
        ----------
        images : Tensor of shape (n_images, 3, height, width)
            RGB in [0, 1]; the sides are multiples of ``patch_size``.

        Returns
        -------
        maps : list of three Tensors of shape (n_images, n_channels[l], rows, columns)
            Lowest level first.
        """
        # Squares of small differences, and logarithms: no place for half precision.
        with torch.autocast(images.device.type, enabled=False):
            lab = rgb_to_lab(images.float())
            raw = torch.cat([self._color(lab), self._texture(lab)], dim=1)
            patches = (raw - self.center) * self.scale
        low, mid = patches[:, : self.n_channels[0]], patches[:, self.n_channels[0] :]
        high = [
            F.avg_pool2d(patches, side, 1, side // 2, count_include_pad=False)
            for side in CONTEXTS
        ]
        return [low, mid, torch.cat(high, dim=1)]

    def _color(self, lab: Tensor) -> Tensor:
        """Mean, and logarithm of the standard deviation."""
        mean = F.avg_pool2d(lab, self.patch_size)
        offset = F.interpolate(mean, scale_factor=self.patch_size, mode="nearest")
        variance = F.avg_pool2d((lab - offset).square(), self.patch_size)
        return torch.cat([mean, (variance + NOISE**2).log() / 2], dim=1)

    def _texture(self, lab: Tensor) -> Tensor:
        """Logarithms of the energies of derivatives, lightness before colour."""
        angles = torch.deg2rad(lab.new_tensor(ORIENTATIONS))
        c, s = angles.cos(), angles.sin()
        slopes, bends, colors = [], [], []
        for number, scale in enumerate(SCALES):
            step = _step(self.patch_size, scale * self.patch_size)
            filters = gaussian_derivatives(scale * self.patch_size / step)
            channels = lab if number < N_COLOR_SCALES else lab[:, :1]
            channels = F.avg_pool2d(channels, step)
            smooth, first, _ = filters
            x = _filtered(channels, first, smooth)
            y = _filtered(channels, smooth, first)
            patch = self.patch_size // step
            xx, yy, xy = (
                F.avg_pool2d(a * b, patch) for a, b in ((x, x), (y, y), (x, y))
            )
            # Energy along an angle, from three sums over the patch.
            slopes.append(
                _along([c * c, 2 * c * s, s * s], [xx[:, :1], xy[:, :1], yy[:, :1]])
            )
            bends.append(_bends(channels[:, :1], filters, patch, angles))
            if number < N_COLOR_SCALES:
                colors.append(xx[:, 1:] + yy[:, 1:])
        energies = torch.cat([*slopes, *bends, *colors], dim=1)
        return (energies.clamp_min(0) + NOISE**2).log() / 2


def _step(patch_size: int, sigma: float) -> int:
    """Pixels per side that are averaged before a wide filter, which saves time.

    They divide patches evenly, and are at most half as wide as the filter, whose
    response hardly changes over them.
    """
    return max(
        n
        for n in range(1, patch_size + 1)
        if patch_size % n == 0 and 2 * n <= max(sigma, 2)
    )


def _bends(
    lightness: Tensor, filters: tuple[Tensor, ...], patch_size: int, angles: Tensor
) -> Tensor:
    """Energies of second derivatives along the angles."""
    smooth, first, second = filters
    xx = _filtered(lightness, second, smooth)
    yy = _filtered(lightness, smooth, second)
    xy = _filtered(lightness, first, first)
    pairs = (xx, xx), (xx, xy), (xy, xy), (xx, yy), (xy, yy), (yy, yy)
    sums = [F.avg_pool2d(a * b, patch_size) for a, b in pairs]
    c2, s2, cs = angles.cos() ** 2, angles.sin() ** 2, (2 * angles).sin()
    weights = [c2 * c2, 2 * c2 * cs, cs * cs, 2 * c2 * s2, 2 * cs * s2, s2 * s2]
    return _along(weights, sums)


def _constants() -> tuple[Tensor, Tensor]:
    """Centre and factor of every channel.

    Kinds are mean colour, contrast (deviations and edges of colour) and texture. A
    channel of a kind of n channels gets a variance of about 1 / n.
    """
    mean = [LIGHTNESS, COLOR, COLOR]
    deviation = [LIGHTNESS_DEVIATION, COLOR_DEVIATION, COLOR_DEVIATION]
    texture = [pair for pair in (*SLOPES, *BENDS) for _ in ORIENTATIONS]
    edges = [COLOR_EDGES] * (2 * N_COLOR_SCALES)
    n_contrast = len(deviation) + len(edges)
    sizes = [len(mean)] * len(mean) + [n_contrast] * len(deviation)
    sizes += [len(texture)] * len(texture) + [n_contrast] * len(edges)
    center, spread = torch.tensor([*mean, *deviation, *texture, *edges]).unbind(1)
    scale = 1 / (spread * torch.tensor(sizes).sqrt())
    return center[:, None, None], scale[:, None, None]


def _filtered(channels: Tensor, along_x: Tensor, along_y: Tensor) -> Tensor:
    """Every channel correlated with a filter per axis, its border repeated."""
    return _correlated(_correlated(channels, along_x, 3), along_y, 2)


def _correlated(channels: Tensor, taps: Tensor, dim: int) -> Tensor:
    # Sums of shifted images: convolutions of single channels are several times slower
    # on a CPU, and on a GPU they may drop digits that small differences need.
    radius, size = taps.shape[0] // 2, channels.shape[dim]
    sides = (radius, radius, 0, 0) if dim == 3 else (0, 0, radius, radius)
    padded = F.pad(channels, sides, mode="replicate")
    if torch.compiler.is_compiling():
        # In a graph that is exported, one node instead of two for every tap.
        shape = (1, 1, 1, -1) if dim == 3 else (1, 1, -1, 1)
        count = channels.shape[1]
        weight = taps.reshape(shape).repeat(count, 1, 1, 1)
        return F.conv2d(padded, weight, groups=count)
    result = torch.zeros_like(channels)
    for start, tap in enumerate(taps.tolist()):
        result.add_(padded.narrow(dim, start, size), alpha=tap)
    return result


def _along(weights: list[Tensor], sums: list[Tensor]) -> Tensor:
    """Weighted sums of maps of one channel, one channel per angle."""
    return sum(
        (w.reshape(1, -1, 1, 1) * m for w, m in zip(weights, sums, strict=True)),
        start=sums[0].new_zeros(()),
    )
