import copy
import pickle

import pytest
import torch
from torch import nn

from neuraleig.segmentation.backbones import ColorTexture, extract, make_backbone
from neuraleig.segmentation.backbones._backbones import CallableBackbone, digest

CPU = torch.device("cpu")


def mean_colors(images):
    """A callable at module level, so that it can be pickled."""
    return nn.functional.avg_pool2d(images, 16)


def make_convolution(patch=16):
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 5, patch, patch), nn.Dropout(0.5))


class TwoLevels(nn.Module):
    def forward(self, images):
        low = nn.functional.avg_pool2d(images, 8)
        return [low, torch.cat([low, low.square()], dim=1)]


@pytest.mark.parametrize("patch", [1, 4, 10, 12, 14, 16, 32])
def test_patch_size_is_found(patch):
    backbone = make_backbone(make_convolution(patch), device=CPU)
    assert backbone.patch_size == patch
    assert backbone.n_channels == (5,)
    images = torch.rand(1, 3, 2 * patch, 3 * patch)
    assert backbone(images)[0].shape == (1, 5, 2, 3)


def test_levels_are_kept_in_order():
    backbone = make_backbone(TwoLevels(), device=CPU)
    assert backbone.n_channels == (3, 6)
    images = torch.rand(3, 3, 16, 24)
    features = extract(backbone, images, CPU)
    low, high = TwoLevels()(images)
    expected = torch.cat([low, high], dim=1).permute(0, 2, 3, 1)
    torch.testing.assert_close(features, expected)


def test_the_users_module_is_left_alone():
    module = make_convolution()
    before = copy.deepcopy(module.state_dict())
    module.train()
    backbone = make_backbone(module, device=CPU)
    images = torch.rand(1, 3, 32, 32)
    extract(backbone, images, CPU)
    assert module.training
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    torch.testing.assert_close(dict(module.state_dict()), dict(before))
    # Dropout is off, and what happens to the module later does not matter.
    expected = module[0](images)
    with torch.no_grad():
        module[0].weight.zero_()
    torch.testing.assert_close(backbone(images)[0], expected)


def test_backbones_stay_in_evaluation_mode():
    backbone = make_backbone(make_convolution(), device=CPU)
    nn.Sequential(backbone).train()
    assert not any(m.training for m in backbone.modules())


@pytest.mark.parametrize("function", [mean_colors, make_convolution(), ColorTexture()])
def test_backbones_can_be_copied_and_pickled(function):
    backbone = make_backbone(function, device=CPU)
    images = torch.rand(2, 3, 32, 48)
    for twin in (copy.deepcopy(backbone), pickle.loads(pickle.dumps(backbone))):
        torch.testing.assert_close(twin(images), backbone(images), rtol=0, atol=0)
        assert twin.identity == backbone.identity


def test_identity_follows_what_decides_the_features():
    first = make_backbone(make_convolution(), device=CPU).identity
    assert make_backbone(make_convolution(), device=CPU).identity == first
    other = make_convolution()
    with torch.no_grad():
        other[0].bias[0] += 1e-3
    assert make_backbone(other, device=CPU).identity != first
    # Same name and no weights: only the features differ.
    twice, thrice = (
        make_backbone(lambda x, f=f: mean_colors(x) * f, device=CPU) for f in (2, 3)
    )
    assert twice.identity != thrice.identity


def test_digest_counts_names_shapes_types_and_values():
    zeros = torch.zeros(4)
    states = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.reshape(2, 2)},
        {"a": zeros.to(torch.int32)},
        {"a": zeros + torch.tensor([0, 0, 0, 1e-7])},
        {"a": torch.tensor(0.0, dtype=torch.bfloat16), "extra": {"x": 1}},
    ]
    assert len({digest(s) for s in states}) == len(states)
    assert digest({"a": zeros.clone()}) == digest({"a": zeros})


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: x.flatten(1), ValueError, r"map of shape .*\(N, C, H', W'\)"),
        (lambda x: mean_colors(x)[:1], ValueError, "with N=2"),
        (lambda x: mean_colors(x).argmax(1, keepdim=True), TypeError, "int64"),
        (lambda x: mean_colors(x).numpy(), TypeError, "returns a ndarray"),
        (lambda x: [], TypeError, "returns a list"),
        (lambda x: ["a"], TypeError, "returns str"),
        (lambda x: mean_colors(x).log() * torch.nan, ValueError, "not finite"),
        (lambda x: [x, mean_colors(x)], ValueError, "resize its levels"),
        (lambda x: nn.functional.avg_pool2d(x, (8, 16)), ValueError, "both sides"),
        (
            lambda x: nn.functional.adaptive_avg_pool2d(x, 7),
            ValueError,
            "both sides",
        ),
        (
            lambda x: nn.functional.adaptive_avg_pool2d(x, (7, 14)),
            ValueError,
            "both sides",
        ),
        (
            lambda x: nn.functional.avg_pool2d(x, 8 if x.shape[2] < 300 else 16),
            ValueError,
            "by the same number",
        ),
        (lambda x: mean_colors(x @ x), ValueError, "fails on images of shape"),
        (lambda: None, ValueError, "fails on images of shape"),
    ],
)
def test_callables_that_are_no_backbones_are_refused(function, error, message):
    with pytest.raises(error, match=message):
        make_backbone(function, device=CPU)


def test_later_maps_are_checked_as_well():
    broken = False

    def function(images):
        maps = mean_colors(images)
        return maps[:, :2] if broken else maps

    backbone = CallableBackbone(function, CPU)
    broken = True
    with pytest.raises(ValueError, match="must not depend on the images"):
        backbone(torch.rand(1, 3, 32, 32))


def test_modules_that_cannot_be_copied_are_refused():
    class Stubborn(nn.Module):
        def __deepcopy__(self, memo):
            raise RuntimeError("no")

    with pytest.raises(TypeError, match="cannot be copied"):
        make_backbone(Stubborn(), device=CPU)


@pytest.mark.parametrize("backbone", [None, 3, ["vit_tiny_patch16_224"]])
def test_other_things_are_refused(backbone):
    with pytest.raises(TypeError, match="backbone="):
        make_backbone(backbone, device=CPU)


def test_a_name_without_weights_needs_nothing():
    backbone = make_backbone("color_texture", device=CPU)
    assert isinstance(backbone, ColorTexture)


def test_a_backbone_is_taken_as_it_is():
    given = ColorTexture(patch_size=4)
    made = make_backbone(given, device=CPU)
    assert made is not given
    assert (made.patch_size, made.identity) == (4, given.identity)


def test_features_do_not_depend_on_the_slices(monkeypatch):
    backbone = make_backbone(make_convolution(), device=CPU)
    windows = torch.rand(5, 3, 32, 48)
    whole = extract(backbone, windows, CPU)
    monkeypatch.setattr("neuraleig.segmentation.backbones._backbones.CPU_TOKENS", 13)
    sizes = []
    hook = backbone.register_forward_pre_hook(lambda m, x: sizes.append(len(x[0])))
    torch.testing.assert_close(extract(backbone, windows, CPU), whole)
    hook.remove()
    assert sizes == [2, 2, 1]


def test_networks_can_be_trained_on_the_features():
    features = extract(ColorTexture(), torch.rand(1, 3, 16, 16), CPU)
    assert features.dtype == torch.float32
    assert not features.is_inference()
    layer = nn.Linear(features.shape[-1], 1)
    layer(features).sum().backward()
    assert layer.weight.grad is not None


def test_no_windows_are_no_features():
    assert extract(ColorTexture(), torch.rand(0, 3, 16, 8), CPU).shape[:3] == (0, 2, 1)


@pytest.mark.parametrize("size", [(12, 16), (16, 12), (4, 16)])
def test_windows_are_whole_patches(size):
    with pytest.raises(ValueError, match="multiples of the backbone's patch_size=8"):
        extract(ColorTexture(), torch.rand(1, 3, *size), CPU)


def test_products_are_float32_on_a_cpu():
    backbone = make_backbone(make_convolution(), device=CPU)
    windows = torch.rand(1, 3, 32, 32)
    expected = extract(backbone, windows, CPU)
    backbone.products = torch.bfloat16
    found = extract(backbone, windows, CPU)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.gpu
def test_a_gpu_gives_the_features_of_a_cpu():
    device = torch.device("cuda")
    windows = torch.rand(3, 3, 32, 48)
    for given in (make_convolution(), "color_texture"):
        expected = extract(make_backbone(given, device=CPU), windows, CPU)
        backbone = make_backbone(given, device=device)
        for dtype in (torch.float32, torch.bfloat16):
            backbone.products = dtype
            found = extract(backbone, windows, device)
            assert found.device.type == "cuda"
            assert found.dtype == torch.float32
            # Convolutions of float32 may have as few digits there as bfloat16's.
            torch.testing.assert_close(found.cpu(), expected, rtol=3e-2, atol=3e-2)
