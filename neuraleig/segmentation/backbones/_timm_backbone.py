"""Vision transformers of timm, the one file that imports it."""

from __future__ import annotations

import difflib
import pickle
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from neuraleig._extras import missing
from neuraleig._random import seeded_torch
from neuraleig.segmentation.backbones._backbones import Backbone, Layers, digest

# timm's modules of plain transformers: one resolution, global attention, and levels
# that forward_intermediates reads.
PLAIN_TRANSFORMERS = ["vision_transformer", "deit", "eva"]
# Under what training scripts store the weights, and what they put before the names.
# What has no such prefix beside weights that do (heads, the student) is left out.
WRAPPERS = ("state_dict", "model", "teacher")
PREFIXES = ("module.", "_orig_mod.", "teacher.", "backbone.")
# Parts that no token passes through.
UNUSED = ("head", "attn_pool.", "mask_token")
# Share of DINOv3's blocks after which its tokens are read: the last ones serve its
# loss, and cluster worse.
# Block 10 of 12, as is known of these models; not tuned here.
DINOV3_DEPTH = 10 / 12
# Keys in an error.
SHOWN = 3


class TimmBackbone(Backbone):
    r"""Vision transformer of timm, any by name: supervised, DeiT, DINO, CLIP, ...

    Levels are the tokens of three blocks: the first, the middle one and, normalised,
    the last. Where other features are known to cluster better they take the place
    of the last: the keys of the last block for the first DINO, and block
    :math:`\mathrm{round}(10 L / 12)` of :math:`L` for DINOv3 [1]_. Class and register
    tokens are left out. Images are standardised by the model's own mean and standard
    deviation, and may be of any size that is a multiple of the patch size: position
    embeddings are resampled.

    Parameters
    ----------
    name : str
        One of ``timm.list_models("*vit*")``, with or without the tag of its weights,
        such as ``"vit_small_patch14_reg4_dinov2.lvd142m"``.
    pretrained : bool, default=True
        Whether the weights are fetched from the hub (once: it keeps them on disk);
        random weights otherwise.
    checkpoint : path or None, default=None
        File to take the weights from instead: safetensors, or a state dict saved by
        torch. Weights under ``"state_dict"``, ``"model"`` or ``"teacher"`` and with
        prefixes such as ``"module."`` and ``"backbone."`` are found; position
        embeddings of another size are resampled.
    layers : "auto" or sequence of int, default="auto"
        Numbers of the blocks, ascending, negative ones from the end. Token graphs
        are built on the last one, which goes through the model's final norm.
    seed : int, default=0
        Seed of random weights. torch's global generators are left alone.
    weights : mapping of str to Tensor or None, default=None
        The model's ``state_dict()`` of before: nothing is then fetched or read.

    Attributes
    ----------
    patch_size : int
        Pixels per token, along both sides.
    n_channels : tuple of int
        Features per token of every level, lowest first.
    identity : str
        Name, levels and a fingerprint of the weights.
    layers : tuple of int
        Blocks of the levels.
    uses_keys : bool
        Whether the last level are keys rather than tokens.
    options : dict
        What it was made of, in plain JSON: ``TimmBackbone(**options)`` makes it anew.

    Raises
    ------
    ImportError
        If timm is not installed.
    ValueError
        If the name is unknown, not that of a plain transformer or without weights,
        if ``layers`` do not exist or ``checkpoint`` does not fit.
    OSError
        If the weights cannot be fetched, or there is no such file.

    References
    ----------
    .. [1] O. Siméoni et al., "DINOv3", arXiv 2508.10104, 2025.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        checkpoint: str | Path | None = None,
        layers: Layers = "auto",
        seed: int = 0,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        timm = _timm()
        _check_name(timm, name)
        if weights is not None:
            _check_weights(timm, name, weights)
        fetched = pretrained and checkpoint is None and weights is None
        # timm draws the weights that it then replaces.
        with seeded_torch(seed, torch.device("cpu")):
            model = _created(timm, name, fetched)
        if weights is not None:
            model.load_state_dict(weights)
        elif checkpoint is not None:
            _load(timm, model, Path(checkpoint))
        self.model = model.requires_grad_(False)
        config = timm.data.resolve_model_data_config(model)
        for key in ("mean", "std"):
            value = torch.tensor(config[key]).reshape(3, 1, 1)
            self.register_buffer(key, value, persistent=False)
        self._describe(name, layers)
        self.options = {
            "name": name,
            "pretrained": bool(pretrained),
            "checkpoint": None
            if checkpoint is None
            else str(Path(checkpoint).resolve()),
            "layers": layers if isinstance(layers, str) else [int(n) for n in layers],
            "seed": int(seed),
        }
        self.eval()

    def _describe(self, name: str, layers: Layers) -> None:
        """Set what the model decides."""
        model, depth = self.model, len(self.model.blocks)
        automatic = isinstance(layers, str) and layers == "auto"
        # Of names without a tag timm takes the first.
        tag = model.pretrained_cfg.get("tag") or ""
        self.uses_keys = automatic and tag == "dino"
        last = depth - 1
        if "dinov3" in name:
            last = max(0, round(depth * DINOV3_DEPTH) - 1)
        self.layers = (
            tuple(sorted({0, min(depth // 2, last), last}))
            if automatic
            else _check_layers(layers, depth)
        )
        self.patch_size = int(model.patch_embed.patch_size[0])
        self.n_channels = (int(model.embed_dim),) * len(self.layers)
        levels = ",".join(map(str, self.layers)) + ("k" if self.uses_keys else "")
        weights = digest({**model.state_dict(), "mean": self.mean, "std": self.std})
        self.identity = f"timm/{name}/{levels}/{weights}"

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of images, lowest level first."""
        # Keys need what enters their block, and nothing of what it makes of it.
        shift = 1 if self.uses_keys else 0
        blocks = [*self.layers[:-1], self.layers[-1] - shift]
        final, maps = self.model.forward_intermediates(
            (images - self.mean) / self.std,
            indices=blocks,
            output_fmt="NCHW",
            norm=False,
            stop_early=True,
        )
        if self.uses_keys:
            tokens = self._keys(maps[-1].flatten(2).mT)
        else:
            tokens = final[:, self.model.num_prefix_tokens :]
            if isinstance(self.model.norm, nn.Identity):
                # Models that pool their tokens before the norm.
                tokens = self.model.fc_norm(tokens)
        return [*maps[:-1], tokens.mT.reshape(maps[-1].shape)]

    def _keys(self, tokens: Tensor) -> Tensor:
        """Keys of the last level's block, heads side by side."""
        block = self.model.blocks[self.layers[-1]]
        attention = block.attn
        weight = attention.qkv.weight.chunk(3)[1]
        bias = attention.qkv.bias
        bias = None if bias is None else bias.chunk(3)[1]
        keys = F.linear(block.norm1(tokens), weight, bias)
        heads = keys.reshape(*keys.shape[:2], attention.num_heads, -1)
        normalized: Tensor = attention.k_norm(heads).flatten(-2)
        return normalized


def _timm() -> ModuleType:
    try:
        import timm
        import timm.data
        import timm.models
    except ImportError as error:
        color_texture = "use backbone='color_texture'"
        raise ImportError(
            missing("A backbone by name", "timm", "vision", otherwise=color_texture)
        ) from error
    return timm


def _check_name(timm: ModuleType, name: str) -> None:
    """Refuse names that are not those of plain transformers."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        known = timm.list_models(module=PLAIN_TRANSFORMERS)
        near = difflib.get_close_matches(architecture, [*known, "color_texture"])
        hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(
            f"backbone={name!r} is not a model of timm; {hint}timm.list_models('vit*') "
            "lists them; weights of your own go into checkpoint=."
        )
    if not timm.models.is_model_in_modules(architecture, PLAIN_TRANSFORMERS):
        raise ValueError(
            f"backbone={name!r} is not a plain vision transformer (ViT, DeiT, DINO, "
            "CLIP, EVA); pass any other network as a callable that maps images to "
            "features of shape (N, C, H', W')."
        )
    tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise ValueError(
            f"backbone={name!r} has an unknown tag; timm has weights {tags} of "
            f"{architecture!r}."
        )


def _created(timm: ModuleType, name: str, fetched: bool) -> Any:  # noqa: ANN401
    """Model of timm without a classifier, for images of any size."""
    if fetched and not timm.models.get_pretrained_cfg(name).has_weights:
        raise ValueError(
            f"timm has no weights for backbone={name!r}; pass checkpoint= with a file "
            "of them, or pretrained=False for random ones."
        )
    options = {"num_classes": 0, "dynamic_img_size": True}
    if not fetched:
        return timm.create_model(name, pretrained=False, **options)
    try:
        return timm.create_model(name, pretrained=True, **options)
    except Exception as error:
        # Clients of the hub fail in many ways, and in other ones every year.
        raise OSError(
            f"the weights of backbone={name!r} could not be fetched from the hub "
            f"({type(error).__name__}: {error}). Without a network, pass checkpoint= "
            "with a file of them, or pretrained=False for random ones."
        ) from error


def _check_weights(timm: ModuleType, name: str, weights: Mapping[str, Tensor]) -> None:
    """Refuse weights of another model before that of the name takes any memory."""
    with torch.device("meta"):
        wanted = _created(timm, name, fetched=False).state_dict()
    given = {key: (value.shape, value.dtype) for key, value in weights.items()}
    if given != {key: (value.shape, value.dtype) for key, value in wanted.items()}:
        raise ValueError(f"the weights are not those of backbone={name!r}.")


def _check_layers(layers: Layers, depth: int) -> tuple[int, ...]:
    """Block numbers from 0, ascending."""
    valid = not isinstance(layers, str) and len(layers) > 0
    if not valid or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and -depth <= n < depth
        for n in layers
    ):
        raise ValueError(
            f"layers={layers!r} must be 'auto' or one or more numbers of blocks, from "
            f"{-depth} to {depth - 1}."
        )
    numbers = tuple(int(n) % depth for n in layers)
    if any(b <= a for a, b in pairwise(numbers)):
        raise ValueError(
            f"layers={layers!r} are the blocks {numbers}; they must ascend, and the "
            "token graphs are built on the last."
        )
    return numbers


def _load(timm: ModuleType, model: Any, path: Path) -> None:  # noqa: ANN401
    """Fill a model from a file, completely or not at all."""
    state = _translated(timm, model, _unwrapped(_read(path)), path)
    own = model.state_dict()
    used = {k: v for k, v in state.items() if not k.startswith(UNUSED)}
    problems = {
        "missing": [k for k in own if k not in state and not k.startswith(UNUSED)],
        "unexpected": [k for k in used if k not in own],
        "of another shape": [
            k for k, v in used.items() if k in own and v.shape != own[k].shape
        ],
    }
    if any(problems.values()):
        details = "; ".join(
            f"{len(keys)} {kind} ({_brief(keys)})"
            for kind, keys in problems.items()
            if keys
        )
        raise ValueError(
            f"checkpoint={str(path)!r} does not fit the backbone: {details}. Is it of "
            "another model?"
        )
    model.load_state_dict({k: v for k, v in used.items() if k in own}, strict=False)


def _translated(
    timm: ModuleType,
    model: nn.Module,
    state: dict[str, Tensor],
    path: Path,
) -> dict[str, Tensor]:
    """Weights under timm's names where the authors' own files have others.

    Position embeddings and patches of other sizes are resampled.
    """
    models = timm.models
    try:
        if isinstance(model, models.eva.Eva):
            return dict(models.eva.checkpoint_filter_fn(state, model))
        return dict(
            models.vision_transformer.checkpoint_filter_fn(
                state, model, adapt_layer_scale=True
            )
        )
    except Exception as error:
        raise ValueError(
            f"checkpoint={str(path)!r} does not fit the backbone "
            f"({type(error).__name__}: {error})."
        ) from error


def _read(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Contents of a file of weights, without running code from it."""
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint={str(path)!r} is not a file.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint={str(path)!r} is no state dict: reading it would run code. "
            "Save model.state_dict() by torch.save or as safetensors."
        ) from error
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(
            f"checkpoint={str(path)!r} cannot be read ({error}); it must be "
            "safetensors (by its suffix) or a state dict saved by torch."
        ) from error


def _unwrapped(content: Any) -> dict[str, Tensor]:  # noqa: ANN401
    """Weights of a backbone in what a training script stored."""
    while isinstance(content, Mapping):
        inner = [content[key] for key in WRAPPERS if key in content]
        if not inner or not isinstance(inner[0], Mapping):
            break
        content = inner[0]
    state = dict(content) if isinstance(content, Mapping) else {}
    state = {k: v for k, v in state.items() if isinstance(v, Tensor)}
    while found := [p for p in PREFIXES if any(k.startswith(p) for k in state)]:
        prefix = found[0]
        state = {
            k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)
        }
    return state


def _brief(keys: Sequence[str]) -> str:
    more = ", ..." if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more
