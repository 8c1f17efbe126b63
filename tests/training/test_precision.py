"""In which types a network is trained, and what stays in float32."""

import pytest
import torch
from torch import nn

from neuraleig.networks import make_network
from neuraleig.training._precision import PRECISIONS, MixedPrecision, resolve_precision

CPU = torch.device("cpu")


class Spy(nn.Linear):
    """A layer that remembers in which type it computed."""

    def forward(self, inputs):
        outputs = super().forward(inputs)
        self.dtype = outputs.dtype
        return outputs


def outputs_in(dtype):
    trunk = Spy(2, 8)
    network = make_network(
        lambda n_features: trunk, n_features=2, n_functions=3, n_clusters=2
    )
    with MixedPrecision(dtype, CPU).forward_pass():
        outputs = network(torch.randn(5, 2))
    return trunk.dtype, {part.dtype for part in outputs}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_trunk_is_lowered_and_the_heads_are_not(dtype):
    assert outputs_in(dtype) == (dtype, {torch.float32})


def test_names_stand_for_types():
    found = [resolve_precision(name, CPU) for name in PRECISIONS[:3]]
    assert found == [torch.float32, torch.float32, torch.bfloat16]
    cuda = torch.device("cuda")
    assert resolve_precision("auto", cuda) == torch.float32
    assert resolve_precision("float16", cuda) == torch.float16


@pytest.mark.parametrize(
    ("precision", "device", "message"),
    [
        ("float16", "cpu", "precision='float16' needs a CUDA device, .* 'bfloat16'"),
        ("bfloat16", "meta", "precision='bfloat16' is not available on device 'meta'"),
    ],
)
def test_what_a_device_cannot_do_is_refused(precision, device, message):
    with pytest.raises(ValueError, match=message):
        resolve_precision(precision, torch.device(device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_only_gradients_of_float16_are_scaled(dtype):
    if dtype == torch.float16 and not torch.cuda.is_available():
        pytest.skip("float16 needs a CUDA device")
    device = torch.device("cuda") if dtype == torch.float16 else CPU
    scaler = MixedPrecision(dtype, device).scaler
    assert scaler.is_enabled() == (dtype == torch.float16)
