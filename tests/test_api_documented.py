"""Docstrings of public names: summaries, defaults, fitted attributes and examples."""

import ast
import doctest
import inspect
import re

import numpy as np
import pytest
from public_names import public_modules, public_objects

import neuraleig
from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.training import Training

SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)
ESTIMATORS = [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]
OBJECTS = [pytest.param(thing, id=path) for path, thing in public_objects().items()]


def sections(thing):
    """Bodies of the sections of a numpydoc docstring, by title."""
    parts = SECTION.split(inspect.cleandoc(thing.__doc__))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def entries(body):
    """Names that a section of parameters or attributes describes, in order."""
    lines = [line for line in body.splitlines() if line and not line.startswith(" ")]
    return [
        name.strip(" *") for line in lines for name in line.split(" : ")[0].split(",")
    ]


def test_every_name_of_every_all_exists_and_is_sorted():
    for module in public_modules():
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"
        assert len(set(module.__all__)) == len(module.__all__), module.__name__


@pytest.mark.parametrize("thing", OBJECTS)
def test_the_first_line_is_a_sentence(thing):
    assert thing.__doc__, "has no docstring"
    summary = inspect.cleandoc(thing.__doc__).split("\n\n")[0]
    assert summary.endswith("."), summary
    assert len(summary.splitlines()) == 1, summary


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("affinity", ["nearest_neighbors", "rbf"])
def test_documented_attributes_are_those_of_a_fit(estimator, affinity):
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(40, 2))
    model = estimator(
        2,
        affinity=affinity,
        hidden_sizes=(8,),
        training=Training(max_iter=2),
        random_state=0,
    )
    model.fit(pandas.DataFrame(rows, columns=["a", "b"]))
    fitted = {name for name in dir(model) if name.endswith("_") and name[0] != "_"}
    documented = set(entries(sections(estimator)["Attributes"]))
    if affinity != "rbf":
        documented -= {"gamma_"}
    assert documented == fitted


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_documented_defaults_are_those_of_the_signature(estimator):
    described = sections(estimator)["Parameters"]
    for name, parameter in inspect.signature(estimator).parameters.items():
        line = re.search(rf"^{name} : .*?default=(.+)$", described, re.MULTILINE)
        if line:
            assert ast.literal_eval(line[1]) == parameter.default, name
        else:
            assert "See :class:" in described or parameter.default is None, name


@pytest.mark.parametrize("thing", OBJECTS)
def test_examples_run(thing):
    public = thing in [getattr(neuraleig, name) for name in neuraleig.__all__]
    if public and not (inspect.isclass(thing) and issubclass(thing, Warning)):
        assert "Examples" in sections(thing)
    finder = doctest.DocTestFinder(recurse=False)
    for example in finder.find(thing, thing.__name__):
        report = []
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(example, out=report.append)
        assert runner.failures == 0, "".join(report)
