import math

import pytest
import torch
from sklearn.base import clone
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from neuraleig.networks import (
    OrthogonalLinear,
    RowLinear,
    TokenAttention,
    TokenTransformer,
    linear_attention,
    make_network,
)

N_FEATURES = 5
OPTIONS = {"width": 8, "n_heads": 2, "head_width": 3}
HEADS = ("head", "assignment", "n_clusters")


def trunk_of(**options):
    return TokenTransformer(N_FEATURES, **(OPTIONS | options)).double()


def windows_of(*sizes, seed=1):
    """Features of windows, and how they are given to a network together."""
    generator = torch.Generator().manual_seed(seed)
    rows = [
        torch.randn(n, N_FEATURES, generator=generator, dtype=torch.float64)
        for n in sizes
    ]
    return rows, padded(rows)


def padded(rows, n_tokens=None, filling=0.0):
    shape = (len(rows), n_tokens or max(map(len, rows)), 1 + N_FEATURES)
    inputs = torch.full(shape, filling, dtype=torch.float64)
    inputs[:, :, 0] = 0
    for window, part in zip(inputs, rows, strict=True):
        window[: len(part), 0] = 1
        window[: len(part), 1:] = part
    return inputs


def norm(x):
    centred = x - x.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()


def reference(trunk, rows):
    """Formula of one window, token by token and head by head."""
    x = rows @ trunk.projection.weight.T + trunk.projection.bias
    for block in trunk.blocks:
        n_heads, width = block.heads
        normed, parts = norm(x), []
        for head in range(n_heads):
            own = slice(head * width, (head + 1) * width)
            queries = (normed @ block.queries.weight[own].T).exp()
            keys = (normed @ block.keys.weight[own].T).exp()
            values = normed @ block.values.weight[own].T
            context = (keys / keys.sum(dim=0)).T @ values
            parts.append(queries / queries.sum(dim=1, keepdim=True) @ context)
        attended = torch.cat(parts, dim=1)
        x = x + attended @ block.attended.weight.T + block.attended.bias
        hidden = norm(x) @ block.mlp_in.weight.T + block.mlp_in.bias
        hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        x = x + hidden @ block.mlp_out.weight.T + block.mlp_out.bias
    return norm(x)


def test_outputs_are_the_formula_of_every_window():
    trunk = trunk_of()
    rows, inputs = windows_of(4, 7, 1)
    expected = torch.cat([reference(trunk, part) for part in rows])
    torch.testing.assert_close(trunk(inputs), expected)


def test_rows_are_windows_of_one_token():
    trunk = trunk_of()
    rows = windows_of(6)[0][0]
    expected = torch.cat([reference(trunk, row[None]) for row in rows])
    torch.testing.assert_close(trunk(rows), expected)
    torch.testing.assert_close(trunk(padded(list(rows[:, None]))), expected)
    torch.testing.assert_close(trunk(rows[2:3]), expected[2:3])


def gradients(trunk, inputs, weights):
    inputs = inputs.clone().requires_grad_()
    trunk.zero_grad()
    hidden = trunk(inputs)
    torch.autograd.backward((weights * hidden).sum())
    return hidden, inputs.grad, [w.grad.clone() for w in trunk.parameters()]


@pytest.mark.parametrize("filling", [0.0, 1e6, math.nan])
def test_padding_changes_nothing(filling):
    trunk = trunk_of()
    rows, plain = windows_of(6, 6)
    weights = torch.randn(12, 8, dtype=torch.float64)
    hidden, by_inputs, by_weights = gradients(trunk, plain, weights)
    found = gradients(trunk, padded(rows, 9, filling), weights)
    torch.testing.assert_close(found[0], hidden, rtol=0, atol=1e-12)
    torch.testing.assert_close(found[1][:, :6, 1:], by_inputs[:, :, 1:])
    assert not found[1][:, 6:].any()
    torch.testing.assert_close(found[2], by_weights)


def test_other_windows_change_nothing():
    trunk = trunk_of().float()
    rows, inputs = windows_of(5, 9, 3)
    together = trunk(inputs.float())
    alone = torch.cat([trunk(padded([part]).float()) for part in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-6)
    swapped = trunk(inputs.float()[[2, 0, 1]])
    torch.testing.assert_close(
        swapped, together[[14, 15, 16, *range(14)]], rtol=0, atol=1e-6
    )


def test_tokens_of_a_window_are_seen_together_in_any_order():
    trunk = trunk_of()
    rows, inputs = windows_of(7)
    order = torch.randperm(7)
    hidden = trunk(inputs)
    torch.testing.assert_close(trunk(inputs[:, order]), hidden[order])
    changed = rows[0].clone()
    changed[6] += 1
    assert bool((trunk(padded([changed]))[:6] != hidden[:6]).any())


def test_attention_is_a_mean_of_values():
    queries, keys = torch.randn(2, 6, 2, 4, dtype=torch.float64)
    values = torch.ones(6, 2, 4, dtype=torch.float64)
    torch.testing.assert_close(
        linear_attention(queries, keys, values, [2, 4]), values, rtol=0, atol=1e-12
    )


class TestRecomputed:
    @pytest.mark.parametrize("kept_bytes", [1, 40_000])
    def test_it_changes_neither_outputs_nor_gradients(self, kept_bytes):
        trunk = trunk_of(kept_bytes=None)
        _, inputs = windows_of(6, 2, 7, 5)
        weights = torch.randn(20, 8, dtype=torch.float64)
        expected = gradients(trunk, inputs, weights)
        trunk.kept_bytes = kept_bytes
        torch.testing.assert_close(gradients(trunk, inputs, weights), expected)
        with torch.no_grad():
            torch.testing.assert_close(trunk(inputs), expected[0].detach())

    def test_windows_are_taken_together_as_far_as_they_fit(self):
        trunk = trunk_of()
        trunk.kept_bytes = 4 * 10 * trunk.token_bytes
        assert trunk._groups([20, 20]) == [slice(0, 2)]
        found = trunk._groups([4, 6, 1, 12, 12, 3, 7])
        assert found == [slice(*s) for s in [(0, 2), (2, 3), (3, 4), (4, 5), (5, 7)]]

    def test_fewer_bytes_are_kept(self):
        _, inputs = windows_of(*[20] * 6)

        def kept(kept_bytes):
            trunk, found = trunk_of(kept_bytes=kept_bytes), {}

            def note(tensor):
                found[tensor.data_ptr()] = tensor.numel()
                return tensor

            with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
                trunk(inputs)
            own = {w.data_ptr() for w in trunk.parameters()}
            return sum(n for where, n in found.items() if where not in own)

        assert kept(1) < kept(None) / 4


def test_bytes_of_a_token_are_what_is_kept():
    trunk = TokenTransformer(64, width=32, n_heads=2, head_width=16)
    inputs, found = torch.ones(1, 500, 65), {}

    def note(tensor):
        storage = tensor.untyped_storage()
        found[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
        hidden = trunk(inputs)
    own = {w.data_ptr() for w in trunk.parameters()}
    total = sum(n for where, (n, _) in found.items() if where not in own)
    assert hidden.shape == (500, 32)
    assert total / 500 == pytest.approx(trunk.token_bytes, rel=0.25)


def test_no_array_of_tokens_by_tokens_is_made():
    n_tokens, most = 600, []

    class Largest(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                most.append(out.numel())
            return out

    trunk = trunk_of().float()
    with Largest():
        trunk(torch.ones(1, n_tokens, 1 + N_FEATURES)).sum().backward()
    assert max(most) < n_tokens**2 / 10


def test_published_network_has_no_projection():
    trunk = TokenTransformer(12, width=None, n_heads=3, head_width=4, mlp_width=6)
    assert trunk.n_hidden == 12
    assert isinstance(trunk.projection, nn.Identity)
    assert all(w.shape[0] in (6, 12) for w in trunk.parameters())
    inputs = torch.ones(1, 4, 13)
    before = inputs.clone()
    assert trunk(inputs).shape == (4, 12)
    assert torch.equal(inputs, before)


def test_inputs_of_other_widths_are_refused():
    for shape in ((1, 4, N_FEATURES), (4, 1 + N_FEATURES), (N_FEATURES,)):
        with pytest.raises(ValueError, match=r"must be \(n_windows, n_tokens, 6\)"):
            trunk_of()(torch.ones(shape))


def test_weights_are_those_of_the_global_generator():
    torch.manual_seed(3)
    first = trunk_of()
    torch.manual_seed(3)
    second = trunk_of()
    assert all(map(torch.equal, first.parameters(), second.parameters()))


class TestNetwork:
    def network(self, **options):
        sizes = {"n_functions": 4, "n_clusters": 3, "n_features": N_FEATURES}
        heads = {name: options.pop(name) for name in HEADS if name in options}
        return make_network(
            lambda n: TokenTransformer(n, **(OPTIONS | options)), **sizes | heads
        )

    @pytest.mark.parametrize("head", ["linear", "orthogonal"])
    def test_rows_are_the_tokens(self, head):
        network = self.network(head=head).eval()
        inputs = windows_of(4, 2)[1].float()
        functions, logits, assignments = network(inputs)
        assert (functions.shape, logits.shape) == ((6, 4), (6, 3))
        torch.testing.assert_close(network.scores(inputs), logits)
        torch.testing.assert_close(assignments, torch.softmax(logits, dim=1))
        kind = OrthogonalLinear if head == "orthogonal" else RowLinear
        assert isinstance(network.label_head, kind)
        assert network.has_solvable_labels == (head == "linear")

    def test_assignments_are_noisy_if_asked_for(self):
        assert self.network(assignment="gumbel_softmax").assignment.noise
        assert not self.network().assignment.noise

    def test_hidden_matrices_are_those_of_the_blocks(self):
        network = self.network()
        expected = [w for w in network.trunk.blocks.parameters() if w.ndim == 2]
        found = network.hidden_matrices
        # The projection raises the number of channels here, and is one of them.
        assert [id(w) for w in found[1:]] == [id(w) for w in expected]
        assert found[0] is network.trunk.projection.weight
        narrow = self.network(width=4)
        assert narrow.hidden_matrices[0] is narrow.trunk.blocks[0].queries.weight

    def test_orthogonal_heads_need_width(self):
        with pytest.raises(ValueError, match="must have at least 9"):
            self.network(head="orthogonal", n_clusters=9)

    def test_autocast_leaves_outputs_in_single_precision(self):
        network = self.network(width=32, n_heads=2, head_width=8)
        inputs = windows_of(30, 20)[1].float()
        expected = network(inputs)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(inputs)
        assert {o.dtype for o in found} == {torch.float32}
        torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
        torch.autograd.backward(found.functions.square().sum())
        assert all(w.grad is not None for w in network.trunk.parameters())


class TestTokenAttention:
    def test_it_makes_a_transformer_of_its_sizes(self):
        made = TokenAttention(width=None, n_blocks=1, n_heads=3, mlp_width=7)(12)
        assert made.n_hidden == 12
        (block,) = made.blocks
        assert block.heads == (3, 64)
        assert block.mlp_in.out_features == 7

    def test_it_is_a_component(self):
        attention = clone(TokenAttention(n_heads=2).set_params(width=8))
        assert attention.get_params() == {
            "width": 8,
            "n_blocks": 2,
            "n_heads": 2,
            "mlp_width": None,
        }
        assert repr(attention) == "TokenAttention(n_heads=2, width=8)"

    @pytest.mark.parametrize(
        ("name", "value"),
        [("width", 0), ("n_blocks", -1), ("n_heads", 0), ("mlp_width", 0)],
    )
    def test_sizes_are_checked(self, name, value):
        with pytest.raises(ValueError, match=f"'clusterer__network__{name}'"):
            TokenAttention(**{name: value}).check("clusterer__network", "Segmenter")
