import argparse
import copy
import datetime
import pathlib
import pickle
import re
import sys

import new_process
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone

from neuraleig import DenseSegmenter
from neuraleig.segmentation.backbones import TimmBackbone, extract, make_backbone

timm = pytest.importorskip("timm")

CPU = torch.device("cpu")
# timm's own models for tests: 6 blocks of width 64; 8 of 64, pooled before the norm.
TINY = "test_vit"
POOLED = "test_vit2"
DINO = "vit_small_patch16_224.dino"
DINOV3 = "vit_small_patch16_dinov3"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def made(name=TINY, seed=0, **options):
    return TimmBackbone(name, **options).make(CPU, seed=seed)


def random_backbone(name=TINY, **options):
    return made(name, pretrained=False, **options)


@pytest.fixture(scope="module")
def tiny():
    return random_backbone()


def reference(backbone, name, images, mean, std):
    """What timm's own model makes of images, block by block, and at its end.

    It is made as anybody would, and read by hooks; ``"keys"`` are those of the last
    block.
    """
    model = timm.create_model(name, num_classes=0).eval()
    # Where the images are of the model's own size no position is resampled.
    if model.patch_embed.img_size != images.shape[2:]:
        model = timm.create_model(name, num_classes=0, dynamic_img_size=True).eval()
    model.load_state_dict(backbone.model.state_dict())
    found = {}
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(lambda m, i, o, n=number: found.update({n: o}))
    last = model.blocks[-1].attn.qkv
    last.register_forward_hook(lambda m, i, o: found.update(keys=o.chunk(3, -1)[1]))
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (mean, std))
    with torch.inference_mode():
        found["final"] = model.forward_features((images - mean) / std)
        found["norm"] = {n: model.norm(o) for n, o in found.items() if n != "keys"}
    rows, columns = (s // backbone.patch_size for s in images.shape[2:])

    def as_map(tokens):
        tokens = tokens[:, model.num_prefix_tokens :]
        return tokens.mT.reshape(len(images), -1, rows, columns)

    normed = {f"norm{n}": as_map(o) for n, o in found.pop("norm").items()}
    return normed | {n: as_map(o) for n, o in found.items()}


@pytest.mark.parametrize(
    ("name", "constants", "size", "levels"),
    [
        (TINY, HALF, (160, 160), (0, 3, "final")),
        ("vit_tiny_patch16_224", HALF, (224, 224), (0, 6, "final")),
        ("vit_tiny_patch16_224", HALF, (160, 240), (0, 6, "final")),
        ("deit_tiny_distilled_patch16_224", IMAGENET, (224, 224), (0, 6, "final")),
        ("vit_xsmall_patch16_clip_224", CLIP, (224, 224), (0, 5, "final")),
        ("vit_small_patch14_reg4_dinov2.lvd142m", IMAGENET, (70, 98), (0, 6, "final")),
        (DINO, IMAGENET, (224, 224), (0, 6, "keys")),
        (DINO, IMAGENET, (96, 64), (0, 6, "keys")),
        (DINOV3, IMAGENET, (256, 256), (0, 6, "norm9")),
        (DINOV3, IMAGENET, (48, 80), (0, 6, "norm9")),
        pytest.param(
            "vit_small_patch14_reg4_dinov2.lvd142m",
            IMAGENET,
            (518, 518),
            (0, 6, "final"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "vit_base_patch16_clip_224.openai",
            CLIP,
            (224, 224),
            (0, 6, "final"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "vit_large_patch16_dinov3",
            IMAGENET,
            (256, 256),
            (0, 12, "norm19"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_levels_are_those_of_the_model(name, constants, size, levels):
    backbone = random_backbone(name)
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        found = backbone(images)
    expected = reference(backbone, name, images, *constants)
    assert len(found) == len(levels)
    for got, level, width in zip(found, levels, backbone.n_channels, strict=True):
        assert got.shape[1] == width
        torch.testing.assert_close(got, expected[level], rtol=1e-4, atol=1e-4)


def test_tokens_pooled_before_the_norm_are_normed():
    backbone = random_backbone(POOLED)
    high = backbone(torch.rand(2, 3, 32, 48))[-1]
    torch.testing.assert_close(high.mean(1), torch.zeros(2, 2, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        high.std(1, correction=0), torch.ones(2, 2, 3), rtol=0, atol=1e-3
    )


@pytest.mark.parametrize(
    ("layers", "expected"), [((1, 4), (1, 4)), ((-3, -1), (3, 5)), ((0,), (0,))]
)
def test_layers_can_be_chosen(tiny, layers, expected):
    backbone = random_backbone(layers=layers)
    assert backbone.layers == expected
    images = torch.rand(1, 3, 160, 160)
    found = backbone(images)
    blocks = reference(tiny, TINY, images, *HALF)
    for got, number in zip(found[:-1], expected[:-1], strict=True):
        torch.testing.assert_close(got, blocks[number])
    torch.testing.assert_close(found[-1], blocks[f"norm{expected[-1]}"])
    assert backbone.identity != tiny.identity


def test_layers_of_dino_are_tokens_when_chosen():
    backbone = random_backbone(DINO, layers=(11,))
    assert not backbone.uses_keys
    images = torch.rand(1, 3, 32, 32)
    expected = reference(backbone, DINO, images, *IMAGENET)
    torch.testing.assert_close(backbone(images)[0], expected["final"])


@pytest.mark.parametrize(
    "layers", [(), (6,), (-7,), (0, 0), (3, 1), (5, -1), (0.5,), (True,), "all"]
)
def test_layers_are_ascending_blocks(layers):
    with pytest.raises(ValueError, match="layers="):
        random_backbone(layers=layers)


class TestComponent:
    def test_it_is_cloned_and_set(self):
        settings = TimmBackbone(TINY, pretrained=False, layers=(0, 2))
        copied = clone(settings).set_params(layers="auto")
        assert copied.get_params() == settings.get_params() | {"layers": "auto"}
        assert copied.make(CPU).identity != settings.make(CPU).identity

    def test_a_name_becomes_one_when_its_parameters_are_set(self):
        model = DenseSegmenter(backbone=TINY).set_params(backbone__layers=(0, 2))
        assert (
            model.backbone.get_params()
            == TimmBackbone(TINY, layers=(0, 2)).get_params()
        )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("name", 3),
            ("pretrained", "yes"),
            ("weights", 3),
            ("layers", "all"),
            ("precision", "float8"),
        ],
    )
    def test_parameters_are_checked_by_their_path(self, name, value):
        parameters = {"name": TINY, name: value}
        model = DenseSegmenter(backbone=TimmBackbone(**parameters))
        with pytest.raises(ValueError, match=f"'backbone__{name}' parameter of Dense"):
            model.fit([])

    def test_half_precision_needs_a_gpu(self):
        with pytest.raises(ValueError, match="precision='float16' needs a CUDA"):
            random_backbone(precision="float16")

    def test_weights_at_hand_are_neither_fetched_nor_drawn(self, tiny):
        again = TimmBackbone(TINY).make(CPU, state=tiny.model.state_dict())
        assert again.identity == tiny.identity
        with pytest.raises(ValueError, match="not those of backbone='test_vit2'"):
            TimmBackbone(POOLED).make(CPU, state=tiny.model.state_dict())


def test_random_weights_follow_the_seed_alone(tiny):
    before = torch.get_rng_state()
    assert random_backbone().identity == tiny.identity
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert random_backbone(seed=0).identity == tiny.identity
    assert random_backbone(seed=1).identity != tiny.identity


def test_it_is_frozen(tiny):
    assert not tiny.train().training
    assert not any(p.requires_grad for p in tiny.parameters())


def test_it_can_be_copied_and_pickled(tiny):
    images = torch.rand(1, 3, 32, 48)
    for twin in (copy.deepcopy(tiny), pickle.loads(pickle.dumps(tiny))):
        torch.testing.assert_close(twin(images), tiny(images), rtol=0, atol=0)
        assert twin.identity == tiny.identity


def test_windows_do_not_depend_on_each_other(tiny):
    windows = torch.rand(3, 3, 48, 32)
    features = extract(tiny, windows, CPU)
    assert features.shape == (3, 3, 2, 192)
    for window, found in zip(windows, features, strict=True):
        expected = extract(tiny, window[None], CPU)[0]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def with_prefix(prefix, **more):
    return lambda state: {prefix + k: v for k, v in state.items()} | more


HEAD = {"head.weight": torch.zeros(10, 64), "head.bias": torch.zeros(10)}


def nested(state):
    student = {"student.cls_token": torch.zeros(1)}
    return {"model": with_prefix("teacher.backbone.", **student)(state)}


class Options(dict):
    """Configurations of training scripts are objects of many classes."""


def other(prefix):
    """Weights of the student, which are not meant."""
    return {f"{prefix}patch_embed.proj.weight": torch.zeros(1)}


def lightning(prefix):
    def stored(state):
        weights = with_prefix(prefix, **{"loss.weight": torch.ones(2)})(state)
        hparams = argparse.Namespace(lr=np.float64(0.1), when=datetime.date.today())
        return {"state_dict": weights, "hyper_parameters": hparams, "epoch": 3}

    return stored


def dino(state):
    head = {"head.mlp.0.weight": torch.zeros(2, 2)}
    return {
        "student": with_prefix("module.backbone.", **head)(other("")),
        "teacher": with_prefix("backbone.", **head)(state),
        "args": argparse.Namespace(arch="vit", path=pathlib.PurePosixPath("x")),
        "options": Options,
    }


def chunked(state):
    """Blocks of two a chunk, as those who train DINOv2 in shards store them."""
    names = {
        re.sub(r"^blocks\.(\d+)", lambda m: f"blocks.{int(m[1]) // 2}.{m[1]}", key): v
        for key, v in state.items()
    }
    return {"teacher": with_prefix("backbone.")(names)}


@pytest.mark.parametrize(
    ("stored", "write", "suffix"),
    [
        (dict, torch.save, ".pth"),
        (lambda state: {"state_dict": state, "epoch": 3}, torch.save, ".pth"),
        (
            lambda state: {"student": {}, "teacher": with_prefix("module.")(state)},
            torch.save,
            ".pth",
        ),
        (nested, torch.save, ".bin"),
        (lightning("model.net."), torch.save, ".ckpt"),
        (lightning("ema_model.encoder."), torch.save, ".ckpt"),
        (dino, torch.save, ".pth"),
        (chunked, torch.save, ".pth"),
        (with_prefix("target_encoder.", **other("encoder.")), torch.save, ".pth"),
        (dict, save_file, ".safetensors"),
        (with_prefix("backbone.", **HEAD), save_file, ".safetensors"),
        (with_prefix("", **HEAD), save_file, ".safetensors"),
    ],
)
def test_checkpoints_are_read(tiny, tmp_path, stored, write, suffix):
    path = tmp_path / f"weights{suffix}"
    write(stored(dict(tiny.model.state_dict())), path)
    # Another seed: all of it must come from the file. Pretrained is the default.
    backbone = made(TINY, weights=path, seed=1)
    assert backbone.identity == tiny.identity


def test_positions_of_another_size_are_resampled(tiny, tmp_path):
    state = dict(tiny.model.state_dict())
    # A ramp over 14 columns, in every channel.
    ramp = ((torch.arange(14) + 0.5) / 14).repeat(14)[None, :, None].expand(-1, -1, 64)
    state["pos_embed"] = torch.cat([torch.full((1, 1, 64), 7.0), ramp], dim=1)
    path = tmp_path / "large.pth"
    torch.save(state, path)
    found = made(TINY, weights=path).model.pos_embed
    assert found.shape == tiny.model.pos_embed.shape
    assert (found[:, 0] == 7).all()
    expected = ((torch.arange(10) + 0.5) / 10).expand(10, 10)[:, 2:-2]
    columns = found[0, 1:, 5].reshape(10, 10)[:, 2:-2]
    torch.testing.assert_close(columns, expected, rtol=0, atol=1e-2)


def test_files_of_dinov2s_authors_are_read(tmp_path):
    name = "vit_small_patch14_reg4_dinov2.lvd142m"
    backbone = random_backbone(name)
    state = dict(backbone.model.state_dict())
    # They add the position of the class token to it later, and keep it apart.
    position = torch.rand(1, 1, 384)
    state["register_tokens"] = state.pop("reg_token")
    state["cls_token"] = state["cls_token"] - position[0]
    state["pos_embed"] = torch.cat([position, state["pos_embed"]], dim=1)
    state["mask_token"] = torch.zeros(1, 384)
    path = tmp_path / "dinov2.pth"
    torch.save(state, path)
    loaded = made(name, weights=path)
    images = torch.rand(1, 3, 28, 28)
    torch.testing.assert_close(loaded(images), backbone(images))


def test_files_of_deit3s_authors_are_read(tmp_path):
    name = "deit3_small_patch16_224"
    backbone = random_backbone(name)
    path = tmp_path / "deit3.pth"
    state = backbone.model.state_dict()
    torch.save(
        {
            "model": {
                k.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2"): v
                for k, v in state.items()
            }
        },
        path,
    )
    assert made(name, weights=path, seed=1).identity == backbone.identity


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.3.attn.qkv.weight"), r"1 missing \(blocks.3.attn"),
        (lambda s: s.update(extra=torch.ones(1)), r"1 unexpected \(extra\)"),
        (lambda s: s.update({"norm.bias": torch.ones(3)}), r"1 of another shape \(nor"),
        (lambda s: s.clear(), r"\d\d missing \(cls_token, \S+, \S+, \.\.\.\)$"),
    ],
)
def test_checkpoints_must_fit(tiny, tmp_path, change, message):
    state = dict(tiny.model.state_dict())
    change(state)
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(ValueError, match="does not fit the backbone") as caught:
        made(TINY, weights=path)
    assert caught.match(message.removesuffix("$"))


def test_checkpoints_of_other_models_are_refused(tmp_path, tiny):
    path = tmp_path / "weights.safetensors"
    save_file(random_backbone("test_vit3").model.state_dict(), path)
    with pytest.raises(ValueError, match="Is it of another model"):
        made(TINY, weights=path)


class Code:
    def __reduce__(self):
        return sys.exit, (3,)


def touch(path):
    pathlib.Path(path).touch()


def test_objects_in_a_file_run_nothing(tmp_path, tiny):
    class Touches:
        def __reduce__(self):
            return touch, (str(tmp_path / "touched"),)

    path = tmp_path / "weights.pth"
    torch.save({"model": dict(tiny.model.state_dict()), "args": Touches()}, path)
    assert made(TINY, weights=path, seed=1).identity == tiny.identity
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.pth", lambda p: torch.save({"model": Code()}, p), "would run code"),
        ("a.pth", lambda p: p.write_bytes(b"neither"), "cannot be read|run code"),
        ("a.pth", lambda p: p.write_bytes(b""), "cannot be read"),
        ("a.safetensors", lambda p: p.write_bytes(b"neither"), "cannot be read"),
        ("a.pth", lambda p: torch.save(torch.ones(3), p), "does not fit"),
    ],
)
def test_other_files_are_refused(tmp_path, name, write, message):
    path = tmp_path / name
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        made(TINY, weights=path)
    assert "weights=" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights="):
        made(TINY, weights=tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_smal_patch16_224", "did you mean .*'vit_small_patch16_224'"),
        ("colour_texture", "did you mean 'color_texture'"),
        ("zzz", r"is not a model of timm; timm\.list_models"),
        ("vit_tiny_patch16_224.nope", r"unknown tag; timm has weights \['augreg"),
        ("resnet18", "not a plain vision transformer"),
        ("swin_tiny_patch4_window7_224", "not a plain vision transformer"),
    ],
)
def test_names_are_those_of_transformers(name, message):
    with pytest.raises(ValueError, match=message):
        made(name)


def test_a_model_without_weights_says_so():
    with pytest.raises(ValueError, match=r"no weights .*weights=") as caught:
        made("vit_base_patch16_xp_224")
    assert "pretrained=False" in str(caught.value)


def offline_error():
    errors = pytest.importorskip("huggingface_hub.errors")
    return errors.LocalEntryNotFoundError("cannot find the requested files")


@pytest.mark.parametrize(
    "make_error",
    [offline_error, lambda: ConnectionError("offline mode"), lambda: RuntimeError("?")],
)
def test_without_a_network_the_error_says_what_to_do(monkeypatch, make_error):
    error = make_error()

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
    with pytest.raises(OSError, match=r"could not be fetched .*weights=") as caught:
        make_backbone(TINY, device=CPU)
    assert caught.value.__cause__ is error


def test_offline_mode_of_the_hub(tmp_path):
    # The hub's client reads its environment when it is imported: another process.
    lines = [
        "import torch",
        "from neuraleig.segmentation.backbones import make_backbone",
        f"make_backbone({TINY!r}, device=torch.device('cpu'))",
    ]
    run = new_process.run(
        ["-c", "\n".join(lines)],
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("OSError: ")
    assert "weights=" in last


def test_without_timm_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="extra 'vision'"):
        make_backbone(TINY, device=CPU)
    assert make_backbone("color_texture", device=CPU).patch_size == 8


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "constants", "high"),
    [
        ("test_vit.r160_in1k", HALF, "final"),
        ("vit_small_patch16_224.dino", IMAGENET, "keys"),
        ("vit_small_patch14_reg4_dinov2.lvd142m", IMAGENET, "final"),
    ],
)
def test_real_weights(name, constants, high):
    backbone = made(name)
    assert backbone.identity != random_backbone(name).identity
    images = torch.rand(1, 3, 4 * backbone.patch_size, 6 * backbone.patch_size)
    expected = reference(backbone, name, images, *constants)
    for got, level in zip(backbone(images), (0, None, high), strict=True):
        assert torch.isfinite(got).all()
        if level is not None:
            torch.testing.assert_close(got, expected[level], rtol=1e-3, atol=1e-3)
