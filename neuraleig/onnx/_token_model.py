"""Models of segmenters, from token features or images to clusters of tokens."""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuraleig.networks import TokenTransformer, linear_attention
from neuraleig.onnx._fitted import (
    cluster_of_scores,
    discretizer_of,
    segmenter_metadata,
)
from neuraleig.onnx._heads import (
    FunctionHead,
    Standardize,
    frozen_copy,
    frozen_network,
)
from neuraleig.onnx._model import Axes, Axis, Model
from neuraleig.reading import Argmax
from neuraleig.segmentation import DenseSegmenter
from neuraleig.segmentation.backbones import Backbone
from neuraleig.segmentation.backbones._backbones import CallableBackbone
from neuraleig.segmentation.backbones._feature_cache import LARGEST

DTYPES = {"float32": torch.float32, "uint8": torch.uint8}
# Windows of the two examples, and rows and columns of their tokens.
SIZES = (2, 4, 6), (3, 5, 7)
N_WINDOWS, ROWS, COLUMNS = Axis("n_windows"), Axis("rows"), Axis("columns")


class TokenModule(nn.Module):
    """Labels, probabilities, scores and functions of token features.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted; its networks are copied.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, segmenter: DenseSegmenter) -> None:
        super().__init__()
        eigenfunctions = segmenter.eigenfunctions_
        network = frozen_network(eigenfunctions)
        for name, value in (
            ("mean", segmenter.token_mean_),
            ("scale", segmenter.token_scale_),
        ):
            self.register_buffer(name, torch.from_numpy(value))
        self.standardize = Standardize(eigenfunctions)
        self.trunk = network.trunk
        self.head = network.label_head
        self.functions = FunctionHead(network.function_head, eigenfunctions)
        reader = discretizer_of(segmenter.clusterer_)
        self.labels = frozen_copy(reader)
        self.clusters = reader.clusters.tolist() if isinstance(reader, Argmax) else None
        clusters = cluster_of_scores(segmenter)
        self.members = [
            [int(i) for i in (clusters == cluster).nonzero()[0]]
            for cluster in range(int(clusters.max()) + 1)
        ]

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of each token.

        Parameters
        ----------
        features : Tensor of shape (n_windows, rows, columns, n_channels)
            Tokens of windows of one size, without padding.
        """
        shape = features.shape[:3]
        # As predictions have them, which may come from a store in half precision.
        features = features.clamp(-LARGEST, LARGEST).half().float()
        rows = self.standardize((features.flatten(0, 2) - self.mean) / self.scale)
        if isinstance(self.trunk, TokenTransformer):
            hidden = self._attended(rows, shape)
        else:
            hidden = self.trunk(rows)
        functions = self.functions(hidden)
        scores = self._merged(self._scores(functions, self.head(hidden)))
        scores = scores.reshape(*shape, -1)
        functions = functions.reshape(*shape, -1)
        return scores.argmax(dim=3), scores.softmax(dim=3), scores, functions

    def _attended(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """Return hidden features of rows that are windows of a shape.

        Windows of one size need no lists of sizes, which would be fixed in a graph.
        """
        trunk: Any = self.trunk
        n_windows, n_tokens = shape[0], shape[1] * shape[2]
        # Two dimensions: torch 2.6 cannot export linear maps of other arrays.
        tokens = trunk.projection(rows)
        for block in trunk.blocks:
            normed = block.attention_norm(tokens)
            windows = (n_windows, n_tokens, *block.heads)
            # Windows are independent, as heads are, so that both share an axis.
            queries, keys, values = (
                linear(normed).reshape(windows).transpose(0, 1).flatten(1, 2)
                for linear in (block.queries, block.keys, block.values)
            )
            attended = linear_attention(queries, keys, values, [queries.shape[0]])
            attended = attended.reshape(n_tokens, n_windows, -1).transpose(0, 1)
            tokens = tokens + block.attended(attended.flatten(0, 1))
            inner = F.gelu(block.mlp_in(block.mlp_norm(tokens)))
            tokens = tokens + block.mlp_out(inner)
        return cast(Tensor, trunk.norm(tokens))

    def _scores(self, functions: Tensor, logits: Tensor) -> Tensor:
        """Return scores of clusters, as ``DenseSegmenter`` blends them."""
        if self.clusters is not None:
            return logits[:, self.clusters]
        probabilities: Tensor = self.labels(functions, logits)
        least = torch.finfo(torch.float32).tiny
        return probabilities.clamp_min(least).log().float()

    def _merged(self, scores: Tensor) -> Tensor:
        """Return scores of merged clusters, as ``merged_scores``."""
        parts = []
        for members in self.members:
            own = torch.cat([scores[:, m : m + 1] for m in members], dim=1)
            if len(members) > 1:
                own = own.logsumexp(dim=1, keepdim=True)
            parts.append(own)
        return torch.cat(parts, dim=1)


class ImageModule(nn.Module):
    """The outputs of :class:`TokenModule` for windows of images."""

    def __init__(self, backbone: Backbone, tokens: TokenModule) -> None:
        super().__init__()
        # CallableBackbone checks values, which a graph cannot.
        is_checked = type(backbone) is CallableBackbone
        function: Any = backbone.function if is_checked else backbone
        is_module = isinstance(function, nn.Module)
        self.backbone: Any = frozen_copy(function) if is_module else function
        self.tokens = tokens

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of each token.

        Parameters
        ----------
        images : Tensor of shape (n_windows, 3, height, width)
            RGB, in [0, 1] or bytes; sides are multiples of the patch size.
        """
        if images.dtype == torch.uint8:
            images = images.float() / 255
        maps = self.backbone(images)
        maps = [maps] if isinstance(maps, Tensor) else list(maps)
        features = torch.cat([level.permute(0, 2, 3, 1) for level in maps], dim=3)
        outputs: tuple[Tensor, ...] = self.tokens(features.float())
        return outputs


def token_model(segmenter: DenseSegmenter) -> Model:
    """Return the model of a fitted segmenter without its backbone."""
    n_channels = sum(segmenter.backbone_.n_channels)
    generator = torch.Generator().manual_seed(0)
    first, second = (
        torch.randn(*size, n_channels, generator=generator, device="cpu")
        for size in SIZES
    )
    return Model(
        TokenModule(segmenter).eval(),
        "features",
        (N_WINDOWS, ROWS, COLUMNS, None),
        (first, second),
        _outputs(ROWS, COLUMNS),
        "the network of this DenseSegmenter",
        "A later version of torch may export it.",
        segmenter_metadata(segmenter),
    )


def image_model(
    segmenter: DenseSegmenter, dtype: str, size: tuple[int, int] | None
) -> Model:
    """Return the model of a fitted segmenter with its backbone.

    Parameters
    ----------
    segmenter : DenseSegmenter
        Fitted.
    dtype : {"float32", "uint8"}
        Type of the input.
    size : (int, int) or None
        Height and width of the windows in pixels; ``None``: any.
    """
    backbone = segmenter.backbone_
    patch = backbone.patch_size
    sides: Axes = (Axis("height", patch), Axis("width", patch))
    outputs = _outputs(ROWS, COLUMNS)
    remedy = "Pass image_size=(height, width)"
    if size is not None:
        sides, outputs = (None, None), _outputs(None, None)
        remedy = "Leave out image_size"
    generator = torch.Generator().manual_seed(0)
    scale = 255 if dtype == "uint8" else 1
    first, second = (
        torch.rand(
            n_windows,
            3,
            *(size or (rows * patch, columns * patch)),
            generator=generator,
            device="cpu",
        )
        .mul(scale)
        .to(DTYPES[dtype])
        for n_windows, rows, columns in SIZES
    )
    return Model(
        ImageModule(backbone, TokenModule(segmenter)).eval(),
        "images",
        (N_WINDOWS, None, *sides),
        (first, second),
        outputs,
        f"the backbone {backbone.identity}",
        f"{remedy}, or run the backbone elsewhere and leave out include_backbone.",
        segmenter_metadata(segmenter),
    )


def _outputs(rows: Axis | None, columns: Axis | None) -> dict[str, Axes]:
    place = (N_WINDOWS, rows, columns)
    wide = (*place, None)
    return {"labels": place, "probabilities": wide, "scores": wide, "functions": wide}
