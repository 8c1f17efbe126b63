"""The public modules, classes and functions, found by ``__all__``."""

import importlib
import inspect
import pkgutil

import neuraleig


def public_modules():
    """Every module with ``__all__`` whose path has no private part."""
    yield neuraleig
    for found in pkgutil.walk_packages(neuraleig.__path__, "neuraleig."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__"):
                yield module


def is_ours(thing):
    return (getattr(thing, "__module__", None) or "").startswith("neuraleig")


def public_objects():
    """Every class and function of every ``__all__`` once, by its path."""
    found = {}
    for module in public_modules():
        for name in module.__all__:
            thing = getattr(module, name)
            if is_ours(thing) and (inspect.isclass(thing) or inspect.isfunction(thing)):
                found[f"{thing.__module__}.{name}"] = thing
    return dict(sorted(found.items()))


def path_of(thing):
    return f"{thing.__module__}.{thing.__qualname__}"


def public_methods(owner):
    """Public methods of a class that it defines itself, by name.

    Not properties, nor functions that are defaults of the fields of a dataclass.
    """
    fields = getattr(owner, "__dataclass_fields__", {})
    for name, member in vars(owner).items():
        function = getattr(member, "__func__", member)
        if (
            not name.startswith("_")
            and name not in fields
            and inspect.isfunction(function)
            and is_ours(function)
        ):
            yield name, function
