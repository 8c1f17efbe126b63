import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images

from neuraleig.segmentation.backbones._backbones import extract
from neuraleig.segmentation.backbones._color_texture import (
    ColorTexture,
    gaussian_derivatives,
)
from neuraleig.segmentation.images._color import rgb_to_lab

# Channels of the two diagonals trade places under a mirror.
SWAPPED = [0, 3, 2, 1]
FLIPPED_MID = [4 * block + i for block in range(6) for i in SWAPPED] + [24, 25, 26, 27]
FLIPPED_ALL = list(range(6)) + [6 + i for i in FLIPPED_MID]
FLIPPED_HIGH = [34 * context + i for context in range(3) for i in FLIPPED_ALL]


@pytest.fixture(scope="module")
def photographs():
    images = [np.array(image) for image in load_sample_images().images]
    return [
        torch.from_numpy(i[:424]).permute(2, 0, 1)[None].float() / 255 for i in images
    ]


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        # CIE Lab of sRGB's corners, as tables give them.
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (100, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.01, 0.01, 0.01), (0.699, 0, 0)),
    ],
)
def test_lab_is_that_of_tables(rgb, lab):
    pixel = torch.tensor(rgb, dtype=torch.float32).reshape(1, 3, 1, 1)
    expected = torch.tensor(lab, dtype=torch.float32)
    found = rgb_to_lab(pixel).flatten()
    torch.testing.assert_close(found, expected, rtol=0, atol=0.03)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.3, 4.0])
def test_filters_measure_what_they_say(sigma):
    filters = gaussian_derivatives(sigma)
    radius = filters[0].shape[0] // 2
    x = torch.arange(-radius, radius + 1) / sigma
    powers = torch.stack([x**0, x, x**2 / 2])
    found = torch.stack(filters) @ powers.T
    torch.testing.assert_close(found[1:], torch.eye(3)[1:], rtol=0, atol=1e-4)
    torch.testing.assert_close(found[0, :2], torch.eye(3)[0, :2], rtol=0, atol=1e-4)


@pytest.mark.parametrize("patch_size", [4, 8, 16])
def test_shapes(patch_size):
    backbone = ColorTexture(patch_size)
    images = torch.rand(2, 3, 3 * patch_size, 5 * patch_size)
    levels = backbone(images)
    assert [m.shape for m in levels] == [(2, c, 3, 5) for c in backbone.n_channels]
    assert str(patch_size) in backbone.identity


def test_low_is_the_colour_of_patches():
    images = torch.rand(1, 3, 16, 24)
    backbone = ColorTexture()
    low = backbone(images)[0] / backbone.scale[:6] + backbone.center[:6]
    patch = rgb_to_lab(images)[0, :, 8:, 8:16].flatten(1)
    torch.testing.assert_close(low[0, :3, 1, 1], patch.mean(1))
    deviation = (low[0, 3:, 1, 1].exp() ** 2 - 0.3**2).sqrt()
    torch.testing.assert_close(deviation, patch.std(1, correction=0))


def test_high_are_averages_of_both_over_squares():
    low, mid, high = ColorTexture()(torch.rand(1, 3, 56, 64))
    both = torch.cat([low, mid], dim=1)
    for number, side in enumerate((1, 3, 5)):
        square = both[..., 3 - side // 2 : 4 + side // 2, 4 - side // 2 : 5 + side // 2]
        found = high[0, 34 * number : 34 * (number + 1), 3, 4]
        torch.testing.assert_close(found, square.mean((0, 2, 3)))
    # A corner sees a quarter of the square, and weighs it as much.
    torch.testing.assert_close(high[0, 68:, 0, 0], both[0, :, :3, :3].mean((1, 2)))


def test_texture_knows_orientation():
    _, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    stripes = (columns % 8 < 4).float().expand(1, 3, 32, 32)
    backbone = ColorTexture()
    slopes = backbone(stripes)[1][0, :4, 1:-1, 1:-1].mean((1, 2))
    across, diagonal, along, other = slopes
    assert across > diagonal > along
    torch.testing.assert_close(diagonal, other)
    turned = backbone(stripes.mT)[1][0, :4, 1:-1, 1:-1].mean((1, 2))
    torch.testing.assert_close(turned[[2, 1, 0, 3]], slopes)


def test_turning_a_wave_turns_its_energies():
    rows, columns = torch.meshgrid(torch.arange(160), torch.arange(160), indexing="ij")

    def energies(phase):
        wave = 0.5 + 0.1 * torch.cos(phase * 2 * math.pi / 11)
        texture = ColorTexture()(wave.expand(1, 3, 160, 160))[1][0, :24, 2:-2, 2:-2]
        return texture.mean((1, 2)).reshape(6, 4) * 24**0.5

    across = energies(columns.float())
    # Along 0 degrees there is nothing but edges and lines, along 90 there is none.
    assert (across[:, 0] > across[:, 1]).all()
    assert (across[:, 1] > across[:, 2]).all()
    diagonal = energies((rows + columns) / 2**0.5)
    torch.testing.assert_close(diagonal.roll(-1, 1), across, rtol=0, atol=0.05)


def test_moving_by_a_patch_moves_the_tokens():
    images = torch.rand(1, 3, 160, 176)
    backbone = ColorTexture()
    pairs = zip(backbone(images), backbone(images[..., 8:, 16:]), strict=True)
    for whole, part in pairs:
        # Inside: four patches from the border, where nothing is cut off.
        torch.testing.assert_close(
            whole[..., 5:-4, 6:-4], part[..., 4:-4, 4:-4], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("axis", [2, 3])
def test_a_mirror_mirrors_the_tokens(axis):
    images = torch.rand(1, 3, 40, 56)
    backbone = ColorTexture()
    low, mid, high = backbone(images)
    found = [m.flip(axis) for m in backbone(images.flip(axis))]
    expected = [low, mid[:, FLIPPED_MID], high[:, FLIPPED_HIGH]]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_images_look_the_same_everywhere(value):
    for level in ColorTexture()(torch.full((1, 3, 40, 48), value)):
        assert torch.isfinite(level).all()
        torch.testing.assert_close(level, level[..., :1, :1].expand_as(level))


def test_one_patch_is_enough():
    levels = ColorTexture()(torch.rand(1, 3, 8, 8))
    assert all(torch.isfinite(m).all() for m in levels)


def test_photographs_are_centred_and_every_kind_weighs_the_same(photographs):
    backbone = ColorTexture()
    tokens = torch.cat(
        [extract(backbone, i, torch.device("cpu")).flatten(0, 2) for i in photographs]
    )
    # Colour, contrast and texture have that many channels.
    kinds = torch.tensor([3.0] * 3 + [7.0] * 3 + [24.0] * 24 + [7.0] * 4)
    patches = tokens[:, :34] * kinds.sqrt()
    # The constants are rounded, and colour is grey on average in more than two.
    assert patches.mean(0).abs().max() < 0.6
    assert 0.4 < patches.std(0).min() < patches.std(0).max() < 2
    high = torch.nn.functional.normalize(tokens[::7, 34:])
    assert (high @ high.T).mean().abs() < 0.2


@pytest.mark.parametrize(("patch_size", "factor"), [(12, 1.5), (16, 2), (32, 4)])
def test_patches_grow_with_the_image(photographs, patch_size, factor):
    images = photographs[0][..., :208, :320]
    larger = torch.nn.functional.interpolate(
        images, scale_factor=factor, mode="bicubic"
    )
    expected = ColorTexture()(images)[1]
    found = ColorTexture(patch_size)(larger.clamp(0, 1))[1]
    # In spreads of a channel.
    assert (found - expected).abs().mean() * 24**0.5 < 0.05


def test_half_precision_is_not_taken():
    backbone, images = ColorTexture(), torch.rand(1, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        inside = backbone(images)
    torch.testing.assert_close(inside, backbone(images), rtol=0, atol=0)


@pytest.mark.parametrize("patch_size", [3, 8.0, True, "8"])
def test_patches_are_of_four_pixels_or_more(patch_size):
    with pytest.raises(ValueError, match="patch_size="):
        ColorTexture(patch_size)
