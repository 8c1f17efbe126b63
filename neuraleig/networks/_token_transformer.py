"""Transformer over the tokens of windows, of linear attention."""

from __future__ import annotations

from itertools import pairwise
from numbers import Integral
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from neuraleig._components import Component
from neuraleig._sklearn import Interval

# Parts into which the windows of a batch are taken whose activations are too many.
RECOMPUTED_SHARE = 4


def linear_attention(
    queries: Tensor, keys: Tensor, values: Tensor, sizes: list[int]
) -> Tensor:
    r"""Attention within windows, in time linear in their tokens.

    .. math::

        \mathrm{softmax}_\text{channels}(Q)\,
        (\mathrm{softmax}_\text{tokens}(K)^\top V)

    Parameters
    ----------
    queries, keys, values : Tensor of shape (n_tokens, n_heads, head_width)
        Tokens of all windows, window by window.
    sizes : list of int
        Number of tokens of every window.

    Returns
    -------
    attended : Tensor of shape (n_tokens, n_heads, head_width)
        A mean of the values of the token's window, for every query.

    References
    ----------
    .. [1] Z. Shen et al., "Efficient attention: attention with linear complexities",
       WACV 2021.
    """
    attended = []
    parts = (torch.split(tokens, sizes) for tokens in (queries, keys, values))
    for query, key, value in zip(*parts, strict=True):
        context = torch.einsum("nhd,nhe->hde", key.softmax(dim=0), value)
        attended.append(torch.einsum("nhd,hde->nhe", query.softmax(dim=2), context))
    return torch.cat(attended)


class _Block(nn.Module):
    """Attention and perceptron, each on normed tokens and added to them."""

    def __init__(
        self, width: int, n_heads: int, head_width: int, mlp_width: int
    ) -> None:
        super().__init__()
        self.heads = (n_heads, head_width)
        inner = n_heads * head_width
        self.attention_norm = nn.LayerNorm(width)
        # Apart, so that what the softmaxes replace is freed.
        self.queries = nn.Linear(width, inner, bias=False)
        self.keys = nn.Linear(width, inner, bias=False)
        self.values = nn.Linear(width, inner, bias=False)
        self.attended = nn.Linear(inner, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, mlp_width)
        self.mlp_out = nn.Linear(mlp_width, width)

    def forward(self, tokens: Tensor, sizes: list[int] | None) -> Tensor:
        """Tokens of shape (n_tokens, width); without sizes each is a window."""
        tokens = tokens + self._attend(self.attention_norm(tokens), sizes)
        hidden = F.gelu(self.mlp_in(self.mlp_norm(tokens)))
        return cast(Tensor, tokens + self.mlp_out(hidden))

    def _attend(self, normed: Tensor, sizes: list[int] | None) -> Tensor:
        # The mean of the values of a single token is its own value.
        attended = self.values(normed)
        if sizes is not None:
            attended = linear_attention(
                self.queries(normed).unflatten(1, self.heads),
                self.keys(normed).unflatten(1, self.heads),
                attended.unflatten(1, self.heads),
                sizes,
            ).flatten(1)
        return cast(Tensor, self.attended(attended))


class TokenTransformer(nn.Module):
    """Transformer that sees the tokens of a window together.

    Attention is linear: no array of tokens by tokens is made. Windows of a batch may
    have different numbers of tokens; neither padding nor other windows change what
    comes out for a token.

    Parameters
    ----------
    n_features : int
        Channels of the features of a token.
    width : int or None, default=256
        Width of the tokens inside and of the outputs, to which features are projected.
        ``None``: that of the features, without a projection, as published.
    n_blocks : int, default=2
        Number of blocks.
    n_heads, head_width : int, default=4, 64
        Heads of the attention and channels of each; published are 18 of 64.
    mlp_width : int or None, default=None
        Width of the hidden layer of the perceptrons; ``None``: twice ``width``.
        Published is 576.
    kept_bytes : int or None, default=2**30
        Activations that a step of training may keep. For batches that need more they
        are computed again in the backward pass, some windows at a time, for about a
        third more time. ``None``: no limit.

    Attributes
    ----------
    n_hidden : int
        Width of the outputs.

    Notes
    -----
    Time and memory are linear in the tokens. Activations take about
    ``4 (n_features + n_blocks (5 width + 4 n_heads head_width + 2 mlp_width))`` bytes
    per token, 31 kB by default and 97 kB as published, at 1,152 features: 0.6 GB for
    20,000 tokens by default, and above the limit, hence a part of 0.25 GB at a time,
    as published.

    References
    ----------
    .. [1] Z. Deng and Y. Luo, "Learning neural eigenfunctions for unsupervised
       semantic segmentation", ICCV 2023.

    Examples
    --------
    >>> import torch
    >>> from neuraleig.networks import TokenTransformer
    >>> trunk = TokenTransformer(3, width=8, n_heads=2, head_width=4)
    >>> windows = torch.ones(2, 5, 1 + 3)
    >>> windows[1, 3:, 0] = 0  # the second window has three tokens
    >>> trunk(windows).shape
    torch.Size([8, 8])
    """

    def __init__(
        self,
        n_features: int,
        *,
        width: int | None = 256,
        n_blocks: int = 2,
        n_heads: int = 4,
        head_width: int = 64,
        mlp_width: int | None = None,
        kept_bytes: int | None = 2**30,
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_hidden = n_features if width is None else width
        if mlp_width is None:
            mlp_width = 2 * self.n_hidden
        self.kept_bytes = kept_bytes
        # Arguments that make the same module, but for its weights.
        self.sizes = {
            "n_features": n_features,
            "width": width,
            "n_blocks": n_blocks,
            "n_heads": n_heads,
            "head_width": head_width,
            "mlp_width": mlp_width,
            "kept_bytes": kept_bytes,
        }
        inside = 5 * self.n_hidden + 4 * n_heads * head_width + 2 * mlp_width
        self.token_bytes = 4 * (n_features + n_blocks * inside)
        self.projection = (
            nn.Identity() if width is None else nn.Linear(n_features, width)
        )
        self.blocks = nn.ModuleList(
            _Block(self.n_hidden, n_heads, head_width, mlp_width)
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(self.n_hidden)

    def forward(self, inputs: Tensor) -> Tensor:
        """Hidden features of all tokens, those of padding left out.

        Parameters
        ----------
        inputs : Tensor of shape (n_windows, n_tokens, 1 + n_features)
            The first channel is 1 for tokens and 0 for padding, which may hold
            anything else and stands anywhere. Of shape (n_tokens, n_features), every
            token is a window of its own, and depends on no other.

        Returns
        -------
        hidden : Tensor of shape (n_valid, n_hidden)
            Window by window, in the order of the tokens.

        Raises
        ------
        ValueError
            If the inputs are of another shape.
        """
        if inputs.ndim == 2 and inputs.shape[1] == self.n_features:
            return self._hidden(inputs, None)
        if inputs.ndim != 3 or inputs.shape[2] != 1 + self.n_features:
            raise ValueError(
                f"inputs has shape {tuple(inputs.shape)}; it must be (n_windows, "
                f"n_tokens, {1 + self.n_features}), a mask and {self.n_features} "
                f"features, or (n_tokens, {self.n_features})."
            )
        mask = inputs[:, :, 0] > 0.5
        sizes: list[int] = mask.sum(dim=1).tolist()
        groups = self._groups(sizes)
        parts = []
        for group in groups:
            # A copy without the padding.
            part = (inputs[group, :, 1:][mask[group]], sizes[group])
            if len(groups) == 1:
                return self._hidden(*part)
            if torch.is_grad_enabled():
                # Nothing is drawn inside, so that no generator need be restored.
                hidden = checkpoint(
                    self._hidden, *part, use_reentrant=False, preserve_rng_state=False
                )
            else:
                hidden = self._hidden(*part)
            parts.append(hidden)
        return torch.cat(parts)

    def _groups(self, sizes: list[int]) -> list[slice]:
        """Windows that are computed together: all, or as many as are kept at once."""
        everything = [slice(0, len(sizes))]
        if self.kept_bytes is None or sum(sizes) * self.token_bytes <= self.kept_bytes:
            return everything
        most = self.kept_bytes // (RECOMPUTED_SHARE * self.token_bytes)
        starts, held = [0], 0
        for window, size in enumerate(sizes):
            if held > 0 and held + size > most:
                starts.append(window)
                held = 0
            held += size
        return [slice(*pair) for pair in pairwise([*starts, len(sizes)])]

    def _hidden(self, tokens: Tensor, sizes: list[int] | None) -> Tensor:
        # Sums over blocks keep their precision where products do not.
        dtype = tokens.dtype
        tokens = self.projection(tokens).to(dtype)
        for block in self.blocks:
            tokens = block(tokens, sizes)
        return cast(Tensor, self.norm(tokens).to(dtype))


class TokenAttention(Component):
    """Network over the tokens of windows of images: makes a :class:`TokenTransformer`.

    Pass it as ``network`` of the ``clusterer`` of a
    :class:`~neuraleig.DenseSegmenter`, which then trains and predicts on
    whole windows. Rows that are not tokens of a window are windows of their own.

    Parameters
    ----------
    width : int or None, default=256
        Width of the tokens inside and of the outputs; ``None``: that of the features,
        as published.
    n_blocks : int, default=2
        Blocks of attention and a perceptron.
    n_heads : int, default=4
        Heads of 64 channels each; published are 18.
    mlp_width : int or None, default=None
        Width of the hidden layer of the perceptrons; ``None``: twice ``width``.
        Published is 576.

    Examples
    --------
    >>> from neuraleig.networks import TokenAttention
    >>> TokenAttention(width=64, n_heads=1)(102).n_hidden
    64
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "n_blocks": [Interval(Integral, 0, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "mlp_width": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        width: int | None = 256,
        n_blocks: int = 2,
        n_heads: int = 4,
        mlp_width: int | None = None,
    ) -> None:
        self.width = width
        self.n_blocks = n_blocks
        self.n_heads = n_heads
        self.mlp_width = mlp_width

    def __call__(self, n_features: int) -> TokenTransformer:
        """Make the network for tokens of that many features."""
        return TokenTransformer(
            n_features,
            width=self.width,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            mlp_width=self.mlp_width,
        )
