"""Sparse matrices without their diagonal, by any version of scipy."""

import numpy as np
import pytest
import scipy.sparse as sp

from neuraleig._sparse import clear_diagonal


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rest_is_left_as_it_is(density, dtype):
    generator = np.random.default_rng(0)
    dense = generator.random((30, 30)) * (generator.random((30, 30)) < density)
    matrix = sp.csr_array(dense.astype(dtype))
    clear_diagonal(matrix)
    np.fill_diagonal(dense, 0)
    np.testing.assert_array_equal(matrix.toarray(), dense.astype(dtype))
    assert matrix.dtype == dtype
    assert matrix.nnz == np.count_nonzero(dense)


def test_entries_stored_twice_and_explicit_zeros_go_as_well():
    values, columns, ends = [1.0, 2, 3, 0, 4], [0, 0, 1, 0, 1], [0, 3, 5]
    matrix = sp.csr_array((np.array(values), columns, ends), shape=(2, 2))
    clear_diagonal(matrix)
    np.testing.assert_array_equal(matrix.toarray(), [[0, 3], [0, 0]])
    assert matrix.nnz == 1
