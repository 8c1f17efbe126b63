"""Models of segmenters: from the features of tokens, or from images, to clusters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig._typing import IntArray
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.networks import TokenTransformer
from neuraleig.onnx._heads import FunctionHead, frozen_copy, frozen_network
from neuraleig.onnx._model import Axes, Axis, Model
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation.backbones import Backbone
from neuraleig.segmentation.backbones._backbones import CallableBackbone

DTYPES = {"float32": torch.float32, "uint8": torch.uint8}
# Windows of the two examples, and rows and columns of their tokens.
SIZES = (2, 4, 6), (3, 5, 7)
N_WINDOWS, ROWS, COLUMNS = Axis("n_windows"), Axis("rows"), Axis("columns")


class TokenModule(nn.Module):
    """What a segmenter says of the features of tokens.

    Parameters
    ----------
    eigenfunctions : Eigenfunctions
        Fitted, over tokens; copied.
    groups : ndarray of shape (n_scores,), int64
        Cluster that each score of the label head belongs to.
    """

    def __init__(self, eigenfunctions: Eigenfunctions, groups: IntArray) -> None:
        super().__init__()
        network = frozen_network(eigenfunctions)
        self.trunk = cast(TokenTransformer, network.trunk)
        self.scores = network.label_head
        self.functions = FunctionHead(network.function_head, eigenfunctions)
        self.members = [
            [int(i) for i in (groups == group).nonzero()[0]]
            for group in range(int(groups.max()) + 1)
        ]

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Labels, probabilities, scores and functions of every token.

        Parameters
        ----------
        features : Tensor of shape (n_windows, rows, columns, n_channels)
            Tokens of windows of one size, none of them padding.
        """
        shape = features.shape[:3]
        hidden = self._hidden(features)
        scores = self._merged(self.scores(hidden)).reshape(*shape, -1)
        functions = self.functions(hidden).reshape(*shape, -1)
        return scores.argmax(dim=3), scores.softmax(dim=3), scores, functions

    def _hidden(self, features: Tensor) -> Tensor:
        """What the trunk says of all tokens, window by window."""
        trunk = self.trunk
        n_windows, rows, columns = features.shape[:3]
        # All tokens below each other: torch 2.6 cannot export maps of other arrays.
        inputs = (features.flatten(0, 2) - trunk.shift) / trunk.scale
        tokens = trunk.projection(inputs)
        blocks: Any = trunk.blocks
        for block in blocks:
            normed = block.attention_norm(tokens)
            windows = (n_windows, rows * columns, *block.heads)
            attended = _linear_attention(
                block.queries(normed).reshape(windows),
                block.keys(normed).reshape(windows),
                block.values(normed).reshape(windows),
            )
            tokens = tokens + block.attended(attended.flatten(0, 1).flatten(1))
            inner = F.gelu(block.mlp_in(block.mlp_norm(tokens)))
            tokens = tokens + block.mlp_out(inner)
        return cast(Tensor, trunk.norm(tokens))

    def _merged(self, scores: Tensor) -> Tensor:
        """Scores of unions of clusters, as ``merged_scores`` has them."""
        parts = []
        for members in self.members:
            own = torch.cat([scores[:, m : m + 1] for m in members], dim=1)
            parts.append(
                own.logsumexp(dim=1, keepdim=True) if len(members) > 1 else own
            )
        return torch.cat(parts, dim=1)


def _linear_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of :func:`neuraleig.networks.linear_attention`, for equal windows.

    Tensors are of shape (n_windows, n_tokens, n_heads, head_width).
    """
    context = torch.einsum("bnhd,bnhe->bhde", keys.softmax(dim=1), values)
    return torch.einsum("bnhd,bhde->bnhe", queries.softmax(dim=3), context)


class ImageModule(nn.Module):
    """What a segmenter says of windows of images.

    Parameters
    ----------
    backbone : Backbone
        Frozen features; copied.
    tokens : TokenModule
        What is said of them.
    """

    def __init__(self, backbone: Backbone, tokens: TokenModule) -> None:
        super().__init__()
        # The checks of a callable's maps look at values, which no graph can.
        checked = type(backbone) is CallableBackbone
        function: Any = backbone.function if checked else backbone
        is_module = isinstance(function, nn.Module)
        self.backbone: Any = frozen_copy(function) if is_module else function
        self.tokens = tokens

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Labels, probabilities, scores and functions of every token.

        Parameters
        ----------
        images : Tensor of shape (n_windows, 3, height, width)
            RGB, in [0, 1] or bytes; the sides are multiples of the patch size.
        """
        if images.dtype == torch.uint8:
            images = images.float() / 255
        maps = self.backbone(images)
        maps = [maps] if isinstance(maps, Tensor) else list(maps)
        features = torch.cat([level.permute(0, 2, 3, 1) for level in maps], dim=3)
        said: tuple[Tensor, ...] = self.tokens(features.float())
        return said


def token_model(segmenter: DenseSegmenter) -> Model:
    """Model of a fitted segmenter without its backbone.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted; left as it is.

    Returns
    -------
    model : Model
        From ``features`` of tokens to what is said of them.
    """
    n_channels = sum(segmenter.backbone_.n_channels)
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(*size, n_channels, generator=generator, device="cpu")
        for size in SIZES
    )
    return Model(
        TokenModule(segmenter.eigenfunctions_, segmenter._groups).eval(),
        "features",
        (N_WINDOWS, ROWS, COLUMNS, None),
        (first, second),
        _outputs(ROWS, COLUMNS),
        "the network of this DenseSegmenter",
        "Later versions of torch export more.",
        _metadata(segmenter),
    )


def image_model(
    segmenter: DenseSegmenter, dtype: str, size: tuple[int, int] | None
) -> Model:
    """Model of a fitted segmenter with its backbone.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted; left as it is.
    dtype : {"float32", "uint8"}
        Type of the input.
    size : (int, int) or None
        Height and width of its windows, multiples of the patch size; ``None`` leaves
        them open.

    Returns
    -------
    model : Model
        From ``images`` to what is said of their tokens.
    """
    backbone = segmenter.backbone_
    tokens = TokenModule(segmenter.eigenfunctions_, segmenter._groups)
    patch = backbone.patch_size
    sides: Axes = (Axis("height", patch), Axis("width", patch))
    outputs = _outputs(ROWS, COLUMNS)
    remedy = "Pass image_size=(height, width)"
    if size is not None:
        sides, outputs = (None, None), _outputs(None, None)
        remedy = "Leave out image_size"
    return Model(
        ImageModule(backbone, tokens).eval(),
        "images",
        (N_WINDOWS, None, *sides),
        _image_examples(patch, DTYPES[dtype], size),
        outputs,
        f"the backbone {backbone.identity}",
        f"{remedy}, or run the backbone elsewhere and leave out include_backbone.",
        _metadata(segmenter),
    )


def _image_examples(
    patch: int, dtype: torch.dtype, size: tuple[int, int] | None
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.rand(
            n_windows,
            3,
            *((rows * patch, columns * patch) if size is None else size),
            generator=generator,
            device="cpu",
        )
        for n_windows, rows, columns in SIZES
    )
    if dtype == torch.uint8:
        first, second = first.mul(255).to(dtype), second.mul(255).to(dtype)
    return first, second


def _outputs(rows: Axis | None, columns: Axis | None) -> dict[str, Axes]:
    place = (N_WINDOWS, rows, columns)
    wide = (*place, None)
    return {"labels": place, "probabilities": wide, "scores": wide, "functions": wide}


def _metadata(segmenter: DenseSegmenter) -> dict[str, str]:
    backbone, view = segmenter.backbone_, segmenter._view()
    names = {str(c): name for c, name in segmenter.cluster_names_.items()}
    channels: Sequence[int] = backbone.n_channels
    return {
        "n_features": str(sum(channels)),
        "n_channels": json.dumps(list(channels)),
        "patch_size": str(backbone.patch_size),
        "backbone": backbone.identity,
        "image_size": json.dumps(view.image_size),
        "window_size": json.dumps(view.window_size),
        "stride": json.dumps(view.stride),
        "scales": json.dumps([float(scale) for scale in segmenter.scales]),
        "flip": json.dumps(bool(segmenter.flip)),
        "refine": json.dumps(segmenter.refine),
        "refine_radius": json.dumps(float(segmenter.refine_radius)),
        "n_clusters": str(segmenter.n_clusters_),
        "cluster_names": json.dumps(names),
    }
