import ast
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import neuraleig
from neuraleig import GraphWarning, NeuralEigenSpectralClustering
from neuraleig._warnings import warn_user

PACKAGE = Path(neuraleig.__file__).parent


def warned_at(filename, **names):
    """File that a warning names whose caller is code of that file."""
    code = compile("warn_user('told', UserWarning)", filename, "exec")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(code, {"warn_user": warn_user, **names})
    return caught[0].filename


def test_the_line_of_the_user_is_named(tmp_path):
    script = str(tmp_path / "script.py")
    assert warned_at(script) == script


def test_a_script_beside_the_package_is_the_users():
    beside = str(PACKAGE) + "_script.py"
    assert warned_at(beside) == beside


def test_files_of_the_package_are_not_named():
    assert warned_at(str(PACKAGE / "module.py")) == __file__


@pytest.mark.parametrize("module", ["sklearn.pipeline", "joblib", "torch.nn.modules"])
def test_libraries_in_between_are_not_named(module):
    assert warned_at("between.py", __name__=module) == __file__


def test_a_module_that_begins_like_a_library_is_the_users():
    assert warned_at("mine.py", __name__="sklearn_mine") == "mine.py"


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda model: model,
        lambda model: make_pipeline(StandardScaler(), model),
        lambda model: GridSearchCV(model, {"n_neighbors": [5]}, cv=2),
    ],
    ids=["alone", "pipeline", "grid search"],
)
def test_warnings_of_a_fit_point_to_the_line_that_calls_it(wrapped):
    X = np.random.default_rng(0).standard_normal((60, 2))
    X = np.vstack([X, X + 99, X - 99])
    model = wrapped(NeuralEigenSpectralClustering(2, hidden_sizes=(8,)))
    with pytest.warns(UserWarning, match="connected components") as caught:
        model.fit(X)
    told = [warning for warning in caught if warning.category is GraphWarning]
    assert {warning.filename for warning in told} == {__file__}


def direct_warnings(source):
    """Lines that warn without looking for the line of the user."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "warnings":
            if {"warn", "warn_explicit"} & {alias.name for alias in node.names}:
                yield node.lineno
        elif isinstance(node, ast.Attribute) and node.attr in ("warn", "warn_explicit"):
            if isinstance(node.value, ast.Name) and node.value.id == "warnings":
                yield node.lineno


def test_the_package_warns_by_warn_user_alone():
    found = {
        path.relative_to(PACKAGE).as_posix(): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := [*direct_warnings(path.read_text(encoding="utf-8"))])
    }
    assert found.keys() == {"_warnings.py"}


@pytest.mark.parametrize(
    "source", ["from warnings import warn", "import warnings\nwarnings.warn('x')"]
)
def test_direct_warnings_are_found(source):
    assert [*direct_warnings(source)]
