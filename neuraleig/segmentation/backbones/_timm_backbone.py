"""Vision transformers of timm; the one module that imports it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._components import Component
from neuraleig._device import CPU
from neuraleig._extras import missing
from neuraleig._random import seeded_torch
from neuraleig._sklearn import StrOptions
from neuraleig.segmentation.backbones._backbones import Backbone, digest
from neuraleig.segmentation.backbones._weight_files import read_weights
from neuraleig.training._precision import PRECISIONS, Precision, resolve_precision

Layers = Literal["auto"] | Sequence[int]

# timm's modules of plain transformers: one resolution, global attention, and levels
# that forward_intermediates reads.
PLAIN_TRANSFORMERS = ["vision_transformer", "deit", "eva"]
# Parts that no token passes through.
UNUSED = ("head", "attn_pool.", "mask_token")
# Share of DINOv3's blocks after which its tokens are read: the last ones serve its
# loss, and cluster worse.
# Block 10 of 12, as is known of these models; not tuned here.
DINOV3_DEPTH = 10 / 12
# Tokens along the shorter side of an image where its size is left open: about as many
# as transformers are trained on, and half a second of two cores for a ViT-S.
SHORT_TOKENS = 32
# Keys in an error.
SHOWN = 3


class TimmBackbone(Component):
    r"""Vision transformer of timm by its name: supervised, DeiT, DINO, CLIP and others.

    Pass it as ``backbone`` of a :class:`~neuraleig.DenseSegmenter`.
    Levels are the tokens of three blocks: the first, the middle one and, normalised,
    the last. Other features are known to cluster better in two families and take the
    place of the last block: its keys for the first DINO, and block
    :math:`\mathrm{round}(10 L / 12)` of :math:`L` for DINOv3 [1]_. Class and register
    tokens are left out. Images are standardised by the mean and the standard
    deviation of the model, and may have any size that is a multiple of the patch
    size: position embeddings are resampled.

    Parameters
    ----------
    name : str
        One of ``timm.list_models("*vit*")``, with or without the tag of its weights,
        such as ``"vit_small_patch14_reg4_dinov2.lvd142m"``.
    pretrained : bool, default=True
        Fetch the weights from the hub of timm (once: it keeps them on disk). Random
        weights otherwise.
    weights : str, PathLike or None, default=None
        File to take the weights from instead: safetensors, or a state dict saved by
        torch, also within a checkpoint of training (DINO, DINOv2, Lightning): the
        average or teacher if there is one, under any prefix such as ``"module."`` and
        ``"model.net."``. Other objects in the file are not made and run no code.
        Position embeddings of another size are resampled.
    layers : "auto" or sequence of int, default="auto"
        Numbers of the blocks, ascending; negative ones count from the end. The graph
        of tokens is built on the last one, which passes the final norm of the model.
    precision : {"auto", "float32", "bfloat16", "float16"}, default="auto"
        Type of the products on CUDA; ``"auto"`` is bfloat16. Float32 on other devices.

    References
    ----------
    .. [1] O. Siméoni et al., "DINOv3", arXiv 2508.10104, 2025.

    Examples
    --------
    >>> from neuraleig import DenseSegmenter
    >>> from neuraleig.segmentation import TimmBackbone
    >>> backbone = TimmBackbone("vit_small_patch16_224.dino", layers=(5, 11))
    >>> DenseSegmenter(backbone=backbone).set_params(backbone__precision="float32")
    DenseSegmenter(backbone=TimmBackbone(layers=(5, 11),
                                         name='vit_small_patch16_224.dino',
                                         precision='float32'))
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "name": [str],
        "pretrained": ["boolean"],
        "weights": [str, PathLike, None],
        "layers": [StrOptions({"auto"}), tuple, list],
        "precision": [StrOptions(set(PRECISIONS))],
    }

    def __init__(
        self,
        name: str,
        *,
        pretrained: bool = True,
        weights: str | PathLike[str] | None = None,
        layers: Layers = "auto",
        precision: Precision = "auto",
    ) -> None:
        self.name = name
        self.pretrained = pretrained
        self.weights = weights
        self.layers = layers
        self.precision = precision

    def make(
        self,
        device: torch.device,
        *,
        seed: int = 0,
        state: Mapping[str, Tensor] | None = None,
    ) -> VisionTransformer:
        """Make the frozen network.

        Parameters
        ----------
        device : torch.device
            Device for the network.
        seed : int, default=0
            Seed of random weights. The global generators of torch are left alone.
        state : mapping of str to Tensor or None, default=None
            ``state_dict()`` of the model of an earlier network: nothing is fetched
            or read.

        Returns
        -------
        backbone : VisionTransformer
            On the device.

        Raises
        ------
        ImportError
            If timm is not installed.
        ValueError
            If the name is unknown, not that of a plain transformer or without
            weights, or if ``layers``, ``weights`` or ``precision`` do not fit.
        OSError
            If the weights cannot be fetched, or there is no such file.
        """
        timm = _timm()
        _check_name(timm, self.name)
        auto = self.precision == "auto" and device.type == "cuda"
        products = torch.bfloat16 if auto else resolve_precision(self.precision, device)
        if state is not None:
            _check_weights(timm, self.name, state)
        fetched = self.pretrained and self.weights is None and state is None
        # timm draws the weights that it then replaces.
        with seeded_torch(seed, CPU):
            model = _created(timm, self.name, fetched)
        if state is not None:
            model.load_state_dict(state)
        elif self.weights is not None:
            _load(timm, model, Path(self.weights))
        config = timm.data.resolve_model_data_config(model)
        made = VisionTransformer(self, model, config["mean"], config["std"])
        made.products = products
        made.seed = seed
        return made.to(device)


class VisionTransformer(Backbone):
    """Frozen transformer that a :class:`TimmBackbone` makes.

    Attributes
    ----------
    layers : tuple of int
        Blocks of the levels.
    uses_keys : bool
        Whether the last level are keys rather than tokens.
    seed : int
        Seed of random weights.
    """

    mean: Tensor
    std: Tensor
    seed: int = 0

    def __init__(
        self,
        settings: TimmBackbone,
        model: Any,  # noqa: ANN401 - a model of timm
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        self.settings = settings
        self.model = model.requires_grad_(False)
        for key, value in (("mean", mean), ("std", std)):
            constant = torch.tensor(value).reshape(3, 1, 1)
            self.register_buffer(key, constant, persistent=False)
        depth = len(model.blocks)
        automatic = isinstance(settings.layers, str) and settings.layers == "auto"
        # Of names without a tag timm takes the first.
        self.uses_keys = automatic and model.pretrained_cfg.get("tag") == "dino"
        last = depth - 1
        if "dinov3" in settings.name:
            last = max(0, round(depth * DINOV3_DEPTH) - 1)
        self.layers = (
            tuple(sorted({0, min(depth // 2, last), last}))
            if automatic
            else _check_layers(settings.layers, depth)
        )
        self.patch_size = int(model.patch_embed.patch_size[0])
        self.image_size = SHORT_TOKENS * self.patch_size
        self.n_channels = (int(model.embed_dim),) * len(self.layers)
        levels = ",".join(map(str, self.layers)) + ("k" if self.uses_keys else "")
        weights = digest({**model.state_dict(), "mean": self.mean, "std": self.std})
        self.identity = f"timm/{settings.name}/{levels}/{weights}"
        self.eval()

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
            "lists them. For weights of your own pass TimmBackbone(name, weights=...)."
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
    otherwise = (
        f"TimmBackbone({name!r}, weights=...) with a file of them, or pretrained=False "
        "for random ones."
    )
    if fetched and not timm.models.get_pretrained_cfg(name).has_weights:
        raise ValueError(f"timm has no weights for backbone={name!r}; pass {otherwise}")
    try:
        return timm.create_model(
            name, pretrained=fetched, num_classes=0, dynamic_img_size=True
        )
    except Exception as error:
        if not fetched:
            raise
        # Clients of the hub fail in many ways, and in other ones every year.
        raise OSError(
            f"the weights of backbone={name!r} could not be fetched from the hub "
            f"({type(error).__name__}: {error}). Without a network, pass {otherwise}"
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
    state = _translated(timm, model, read_weights(path), path)
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
            f"{len(keys)} {kind} ({', '.join(keys[:SHOWN])}"
            f"{', ...' if len(keys) > SHOWN else ''})"
            for kind, keys in problems.items()
            if keys
        )
        raise ValueError(
            f"weights={str(path)!r} does not fit the backbone: {details}. Is it of "
            "another model?"
        )
    model.load_state_dict({k: v for k, v in used.items() if k in own}, strict=False)


def _translated(
    timm: ModuleType, model: nn.Module, state: dict[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """Weights under timm's names where the authors' own files have others.

    Position embeddings and patches of other sizes are resampled.
    """
    models = timm.models
    try:
        if isinstance(model, models.eva.Eva):
            return dict(models.eva.checkpoint_filter_fn(state, model))
        translate = models.vision_transformer.checkpoint_filter_fn
        return dict(translate(state, model, adapt_layer_scale=True))
    except Exception as error:
        raise ValueError(
            f"weights={str(path)!r} does not fit the backbone "
            f"({type(error).__name__}: {error})."
        ) from error
