"""Public names have the sections of numpydoc that their signatures ask for."""

import inspect

import pytest
from numpydoc.validate import validate
from public_names import is_ours, path_of, public_methods, public_objects

# No docstring; parameters that are missing, unknown, out of order, of a misspelt type
# or without description; a missing section Returns or Yields. Not PR04, the missing
# type: what is described elsewhere says "See ...".
CODES = {"GL08", "PR01", "PR02", "PR03", "PR06", "PR07", "RT01", "YD01"}
PUBLIC = public_objects()
PROTOCOLS = [
    thing for thing in PUBLIC.values() if getattr(thing, "_is_protocol", False)
]


def owners(thing):
    """The classes of the package that a public class gets its methods from."""
    return [base for base in inspect.getmro(thing) if is_ours(base)]


# The methods that public classes have, by the class of the package that defines them.
METHODS = {
    f"{path_of(owner)}.{name}": (owner, name)
    for thing in PUBLIC.values()
    if inspect.isclass(thing)
    for name, owner in {
        name: owner
        for owner in reversed(owners(thing))
        for name, _ in public_methods(owner)
    }.items()
}


def missing(path):
    """What numpydoc finds missing."""
    return [
        f"{code}: {message}"
        for code, message in validate(path)["errors"]
        if code in CODES
    ]


def is_constructed_by_others(thing):
    """Whether a class has no constructor with parameters of its own."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:  # exceptions
        return True
    return {parameter.kind for parameter in parameters} <= {
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    }


def declarations(owner, name):
    """Paths of the method that a method overrides or implements, nearest first."""
    implemented = [
        protocol
        for protocol in PROTOCOLS
        if all(hasattr(owner, member) for member, _ in public_methods(protocol))
    ]
    for base in [*owners(owner)[1:], *implemented]:
        if base is not owner and name in dict(public_methods(base)):
            yield f"{path_of(base)}.{name}"


@pytest.mark.parametrize("path", PUBLIC)
def test_sections_are_complete(path):
    found = missing(path)
    thing = PUBLIC[path]
    if inspect.isclass(thing) and is_constructed_by_others(thing):
        found = [error for error in found if not error.startswith("PR01")]
    assert not found


@pytest.mark.parametrize("path", METHODS)
def test_methods_have_sections_or_refer_to_a_base_that_has_them(path):
    found = missing(path)
    declared = [missing(base) for base in declarations(*METHODS[path])]
    if [] in declared:
        # Its parameters and what it returns are described once, where it is declared.
        found = [e for e in found if e[:4] not in {"PR01", "RT01", "YD01"}]
    assert not found


def takes(rows):  # the undocumented function of the test below
    """Return the rows."""
    return rows


def test_the_rules_see_what_they_look_for():
    assert [error[:4] for error in missing(f"{__name__}.takes")] == ["PR01", "RT01"]
    # A class method, an inherited method, and an implementation of an abstract one.
    assert "neuraleig.reading._argmax.Argmax.from_scores" in METHODS
    assert "neuraleig._components.ComposedEstimator.set_params" in METHODS
    declared = declarations(*METHODS["neuraleig.reading._argmax.Argmax.forward"])
    assert list(declared) == ["neuraleig.reading._base.Discretizer.forward"]
