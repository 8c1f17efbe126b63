"""Comparison of trees as they are saved in files."""

from dataclasses import is_dataclass

import numpy as np
import scipy.sparse as sp
import torch


def assert_same(found, expected):
    """Whether two trees are equal: types, dtypes and layouts included."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, torch.Tensor):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.equal(expected)
        assert found.is_contiguous() == expected.is_contiguous()
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, strict=True)
        assert found.flags.c_contiguous == expected.flags.c_contiguous
    elif isinstance(expected, sp.csr_array):
        assert found.shape == expected.shape
        for name in ("data", "indices", "indptr"):
            assert_same(getattr(found, name), getattr(expected, name))
    elif is_dataclass(expected):
        assert_same(vars(found), vars(expected))
    else:
        assert found == expected or (found != found and expected != expected)
