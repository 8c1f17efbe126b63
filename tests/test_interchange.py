"""Arrays of other libraries: which are shared, which are copied, which are refused."""

import numpy as np
import pytest
import torch

from neuraleig._interchange import as_numpy, has_dlpack
from neuraleig._rows import is_sliced, is_stream, slices_of

X = np.arange(12.0).reshape(4, 3)


class Exchanged:
    """An array of another library: it hands over its memory, and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class LikeCuPy(Exchanged):
    """One that looks like an array on disk, and cannot become one of numpy."""

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    def __getitem__(self, key):
        return LikeCuPy(self.array[key])

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion is not allowed")


class Unwilling(Exchanged):
    def __dlpack__(self, **arguments):
        raise BufferError("no memory of mine")


@pytest.mark.parametrize(
    "given",
    [
        torch.from_numpy(X),
        torch.from_numpy(X).requires_grad_(),
        torch.from_numpy(X)[:, ::2],
        torch.from_numpy(X).T,
        torch.from_numpy(X.astype(np.float32)),
        torch.from_numpy(X.astype(np.float16)),
        torch.from_numpy(X.astype(np.int32)),
        Exchanged(X),
        Exchanged(torch.from_numpy(X)),
        LikeCuPy(X),
    ],
)
def test_what_numpy_can_hold_is_not_copied(given):
    shared = as_numpy(given)
    tensor = given if isinstance(given, torch.Tensor) else torch.from_dlpack(given)
    np.testing.assert_array_equal(shared, tensor.detach().numpy())
    assert shared.__array_interface__["data"][0] == tensor.data_ptr()


@pytest.mark.parametrize("wrap", [lambda tensor: tensor, Exchanged])
def test_bfloat16_becomes_float32_without_loss(wrap):
    tensor = torch.tensor([[1.0, -2.5], [3e38, 2**-126]], dtype=torch.bfloat16)
    array = as_numpy(wrap(tensor))
    assert array.dtype == np.float32
    assert torch.equal(torch.from_numpy(array).bfloat16(), tensor)


def test_signs_and_conjugates_that_torch_puts_off_are_there():
    values = torch.complex(torch.from_numpy(X), torch.from_numpy(X))
    put_off = values.conj().imag
    assert put_off.is_neg()
    np.testing.assert_array_equal(as_numpy(put_off), -X)


@pytest.mark.parametrize("given", [X, X.tolist(), X[0], 3.0, None, "rows", {"a": 1}])
def test_all_else_is_left_as_it_is(given):
    assert as_numpy(given) is given
    assert not has_dlpack(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.empty(2, 2, device="meta"), "X is a tensor of .* on meta, which has no"),
        (torch.ones(2, 2, 2).to_sparse(2), "sparse_coo .* or a sparse matrix of scipy"),
        (torch.eye(2).to(torch.float8_e4m3fn), "X is a tensor of torch.float8_e4m3fn"),
        (
            Unwilling(X),
            r"of type Unwilling, whose __dlpack__ .* \(no memory of mine\); pass an ar",
        ),
    ],
)
def test_what_cannot_be_handed_over_is_refused_by_name(given, message):
    with pytest.raises(TypeError, match=message):
        as_numpy(given)
    with pytest.raises(TypeError, match=r"^affinity_matrix is"):
        as_numpy(given, "affinity_matrix")


@pytest.mark.parametrize("given", [Exchanged(X), LikeCuPy(X)])
def test_arrays_of_other_libraries_are_in_memory(given):
    assert has_dlpack(given)
    assert not is_sliced(given)
    assert not is_stream(given)


def test_batches_of_a_stream_may_be_of_another_library():
    batches = [Exchanged(X[:2]), torch.from_numpy(X[2:]).bfloat16().requires_grad_()]
    np.testing.assert_array_equal(np.concatenate(list(slices_of(iter(batches)))), X)
