"""Private names of other distributions: where they are, and that they do what we use.

Where one of these tests fails with a new version, its adapter is what has to change.
"""

import ast
import sys
from numbers import Integral
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import neuraleig
from neuraleig import _sklearn

PACKAGE = Path(neuraleig.__file__).parent
# Files that may name what is private to the distribution.
ADAPTERS = {"_sklearn.py": "sklearn"}


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def private_imports(source):
    """Private names of other distributions that a source imports, by distribution."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            distribution, *parts = name.split(".")
            ours = distribution in {"neuraleig", *sys.stdlib_module_names}
            if not ours and any(is_private(part) for part in parts):
                yield distribution, name


def test_private_names_are_imported_by_adapters_alone():
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        for distribution, imported in private_imports(path.read_text("utf-8")):
            assert ADAPTERS.get(name) == distribution, f"{name} imports {imported}"


@pytest.mark.parametrize(
    "source",
    [
        "from sklearn.utils import _safe_indexing",
        "from sklearn.utils._param_validation import Interval",
        "import torch.utils._python_dispatch",
        "def f():\n    from timm.layers import _assert",
    ],
)
def test_private_imports_are_found(source):
    assert len([*private_imports(source)]) == 1


@pytest.mark.parametrize(
    "source",
    [
        "from neuraleig._rows import as_rows",
        "import _thread",
        "from torch import __version__",
        "from sklearn.utils import check_array",
    ],
)
def test_public_and_own_names_are_not_taken_for_private(source):
    assert not [*private_imports(source)]


class Toy(BaseEstimator):
    _parameter_constraints: ClassVar = {
        "n": [_sklearn.Interval(Integral, 1, None, closed="left"), None],
        "name": [_sklearn.StrOptions({"a", "b"})],
    }

    def __init__(self, n=1, name="a"):
        self.n, self.name = n, name


@pytest.mark.parametrize("valid", [{}, {"n": None}, {"n": 7, "name": "b"}])
def test_valid_parameters_pass(valid):
    """``BaseEstimator._validate_params``; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    _sklearn.check_parameters(Toy(**valid))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, r"'n' parameter of Toy must be an int in the range \[1, inf\)"),
        ({"n": 1.5}, "'n' parameter of Toy"),
        ({"name": "c"}, "'name' parameter of Toy must be a str among {'[ab]', '[ab]'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(wrong, message):
    """``Interval`` and ``StrOptions``; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    with pytest.raises(ValueError, match=message):
        _sklearn.check_parameters(Toy(**wrong))
    with pytest.raises(ValueError, match=message):
        _sklearn.check_values(
            Toy._parameter_constraints, {"n": 1, "name": "a"} | wrong, "Toy"
        )


def test_bounds_of_intervals_are_readable():
    """What the command line reads of them; scikit-learn 1.6 to 1.9."""
    interval = _sklearn.Interval(Integral, 1, 5, closed="left")
    assert (interval.type, interval.left, interval.right) == (Integral, 1, 5)
    assert [n in interval for n in (0, 1, 4, 5)] == [False, True, True, False]
    assert _sklearn.StrOptions({"a", "b"}).options == {"a", "b"}


@pytest.mark.parametrize(
    "kind", [np.asarray, np.ndarray.tolist, sp.csr_array, pd.DataFrame]
)
def test_rows_at_picks_rows_of_any_container(kind):
    """``sklearn.utils._safe_indexing``; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    X = np.arange(12.0).reshape(4, 3)
    found = _sklearn.rows_at(kind(X), np.array([2, 0]))
    found = found.toarray() if sp.issparse(found) else np.asarray(found)
    np.testing.assert_array_equal(found, X[[2, 0]])


def test_column_places_are_those_of_names_slices_and_the_remainder():
    """``_transformer_to_input_indices``; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    parts = [("a", StandardScaler(), ["z", "x"]), ("b", "drop", slice("w", "w"))]
    columns = ColumnTransformer(parts, remainder="passthrough")
    columns.fit(pd.DataFrame(np.eye(4), columns=list("wxyz")))
    expected = {"a": [3, 1], "b": [0], "remainder": [2]}
    assert _sklearn.column_places(columns) == expected


@pytest.mark.parametrize("kind", [OneHotEncoder, OrdinalEncoder])
def test_infrequent_places_are_those_of_rare_categories(kind):
    """``_infrequent_indices`` of encoders; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    X = np.array([["a", "x"], ["b", "x"], ["b", "x"]], dtype=object)
    rare, none = _sklearn.infrequent_places(kind(min_frequency=2).fit(X))
    assert (rare.tolist(), none) == ([0], None)
    assert _sklearn.infrequent_places(kind().fit(X)) is None


@pytest.mark.parametrize("dtype", [np.float32, np.int64, object])
def test_imputed_dtype_is_the_type_of_the_rows(dtype):
    """``_fit_dtype`` of ``SimpleImputer``; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    step = SimpleImputer(strategy="most_frequent").fit(np.ones((2, 1), dtype))
    assert _sklearn.imputed_dtype(step) == dtype


def test_transform_output_is_what_set_output_was_told():
    """``_sklearn_output_config`` of estimators; scikit-learn 1.6, 1.7, 1.8 and 1.9."""
    scaler = StandardScaler()
    assert _sklearn.transform_output(scaler) is None
    scaler.set_output(transform="pandas")
    assert _sklearn.transform_output(scaler) == "pandas"


def test_tasks_of_a_fit_are_begun_and_ended_with_callbacks_or_without():
    """``_init_callback_context`` of ``CallbackSupportMixin``; scikit-learn 1.9."""

    class Fitted(_sklearn.CallbackSupportMixin, BaseEstimator):
        @_sklearn.with_callbacks
        def fit(self, X):
            task = _sklearn.FitTask.of_fit(self, X, n_subtasks=1)
            part = task.subtask("part")
            self.stopped_ = [part.end(), task.end()]
            return self

    assert Fitted().fit(np.zeros((2, 1))).stopped_ == [False, False]
    assert not _sklearn.FitTask(None, None).subtask("part").end()


@pytest.mark.parametrize("module", ["vision_transformer", "eva"])
def test_timm_renames_the_weights_of_the_authors(module):
    """``checkpoint_filter_fn`` of its modules, undocumented; timm 1.0.21 and 1.0.31."""
    timm = pytest.importorskip("timm")
    models = pytest.importorskip("timm.models")

    name = {"vision_transformer": "test_vit", "eva": "vit_small_patch16_dinov3"}
    model = timm.create_model(name[module], num_classes=0)
    state = model.state_dict()
    options = {} if module == "eva" else {"adapt_layer_scale": True}
    renamed = getattr(models, module).checkpoint_filter_fn(
        dict(state), model, **options
    )
    assert renamed.keys() >= state.keys() - {"rope.periods"}
    assert all(torch.equal(value, state[key]) for key, value in renamed.items())
