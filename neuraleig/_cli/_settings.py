"""Parameters of the estimators and of their parts as options.

Names and defaults come from signatures, ranges from scikit-learn's constraints, and
help from docstrings.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Annotated, Any

from typer import BadParameter, Option

from neuraleig import DenseSegmenter
from neuraleig._sklearn import Interval, StrOptions
from neuraleig._tables import TableError
from neuraleig.affinity import CosineAffinity, NeighborAffinity, RBFAffinity
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.segmentation import TimmBackbone
from neuraleig.segmentation.backbones._feature_cache import SHARED
from neuraleig.training import Training

# Parts of the estimators, by the parameter that holds them.
PARTS: dict[str, tuple[type, ...]] = {
    "training": (Training,),
    "affinity": (NeighborAffinity, RBFAffinity, CosineAffinity),
    "backbone": (TimmBackbone,),
    "clusterer": (NeuralEigenSpectralClustering,),
}
# Parameters whose values are objects of Python, and what has options of its own.
LEFT_OUT = ("callbacks", "verbose", "network", "training", "clusterer", "name")
# Options of arguments of methods, which are no parameters.
ARGUMENTS = {
    name: "--" + name.replace("_", "-")
    for name in ("align_to", "classes", "coco", "ignore_index", "overwrite")
}
# Help where the docstring is about objects.
TEXTS = {
    "affinity": "Weights between rows",
    "affinity__approximate": "Search neighbours approximately, or else exactly",
    "backbone": "Model of timm, or color_texture",
    "clusterer__n_neighbors": "Neighbours of a token, 64 where left open",
}
# Seeds of commands are fixed: equal commands make equal files.
DEFAULTS = {"random_state": 0}
# And what the commands of a line compute for images serves those of the next.
IMAGE_DEFAULTS = DEFAULTS | {"feature_cache": SHARED}
# scikit-learn's generators take seeds of 32 bits.
SEEDS = Interval(Integral, 0, 2**32 - 1, closed="both")
# Most words that help lists.
LISTED = 6


@dataclass(frozen=True)
class Given:
    """Value of an option; a wrapper, since the value may be None."""

    value: Any


@dataclass(frozen=True)
class _Kind:
    """Kind of values: its name in errors and in help, and what reads one."""

    expected: str
    metavar: str
    read: Callable[[str], Any]


class Setting:
    """Parameter as an option.

    Parameters
    ----------
    name : str
        As ``set_params`` takes it, such as ``training__lr``.
    rules : list
        Values that it may have, as scikit-learn's constraints.
    text : str
        What it is.
    default : object
        Value without the option.
    """

    def __init__(self, name: str, rules: list[Any], text: str, default: Any) -> None:  # noqa: ANN401
        self.option = "--" + name.replace("__", ".").replace("_", "-")
        self._rules = rules
        self._kinds = list(_kinds(rules))
        words = [kind.expected for kind in self._kinds if kind.metavar == "NAME"]
        listed = f": {words[0]}" if words and words[0].count(",") < LISTED else ""
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        elif isinstance(default, bool):
            default = "yes" if default else "no"
        shown = "" if default is None else f" (default: {default})"
        self.help = f"{text}{listed}{shown}"

    @property
    def annotation(self) -> Any:  # noqa: ANN401 - a type with its option
        """Type for typer; None stands for an option that was not given."""
        if "boolean" in self._rules:
            part, dot, name = self.option.removeprefix("--").rpartition(".")
            switch = f"{self.option}/--{part}{dot}no-{name}"
            return Annotated[
                bool | None, Option(switch, help=self.help, show_default=False)
            ]
        metavar = self._kinds[-1].metavar
        return Annotated[
            Any,
            Option(self.option, parser=self.read, metavar=metavar, help=self.help),
        ]

    def read(self, text: str) -> Given:
        """Value that a text stands for."""
        for kind in self._kinds:
            try:
                return Given(kind.read(text))
            except ValueError:
                continue
        expected = " or ".join(kind.expected for kind in self._kinds)
        raise BadParameter(f"{text!r} is not {expected}")


class Settings(dict[str, Setting]):
    """Parameters of estimators, by their names."""

    @classmethod
    def of(cls, *estimators: type) -> Settings:
        """Parameters of some estimators, and of their parts."""
        return cls(_settings((kind() for kind in estimators), "", ()))

    def only(self, names: Iterable[str]) -> Settings:
        """Some of them."""
        return Settings({name: self[name] for name in names})

    def given(self, values: dict[str, Any]) -> dict[str, Any]:
        """Parameters of options that were given."""
        return {
            name: value.value if isinstance(value, Given) else value
            for name, value in values.items()
            if value is not None
        }

    @contextmanager
    def as_options(self) -> Iterator[None]:
        """Name options instead of parameters in the errors and warnings of a fit."""
        show = warnings.showwarning

        def show_options(message: Warning | str, *rest: Any, **more: Any) -> None:  # noqa: ANN401
            show(self._with_options(str(message)), *rest, **more)

        try:
            with warnings.catch_warnings():
                warnings.showwarning = show_options
                yield
        except TableError:
            raise
        except ValueError as error:
            raise ValueError(self._with_options(str(error))) from error

    def _with_options(self, text: str) -> str:
        options = {name: setting.option for name, setting in self.items()} | ARGUMENTS
        for name in sorted(options, key=len, reverse=True):
            # Short names may be words, and switches take no value.
            end = r"\b(?![-_'])" if "_" in name else r"(?==)"
            pattern = rf"(?<![-_.\w]){name}{end}(=True\b)?"
            text = re.sub(pattern, options[name], text)
        return text


def _settings(
    holders: Iterable[Any], prefix: str, of_owner: Iterable[str]
) -> Iterator[tuple[str, Setting]]:
    """Parameters of estimators or parts, but for those that their owner has."""
    found = set(of_owner)
    for holder in holders:
        texts = described(type(holder))
        values = holder.get_params(deep=False)
        for name in inspect.signature(type(holder)).parameters:
            if name in found:
                continue
            found.add(name)
            path = prefix + name
            if name not in LEFT_OUT:
                rules = holder._parameter_constraints[name]
                default = IMAGE_DEFAULTS.get(name, values[name])
                yield path, Setting(path, rules, _help(path, texts), default)
            # A segmenter passes what it has itself to its clusterer, and bounds tokens.
            of_owner = (*values, "max_graph_rows") if name == "clusterer" else ()
            yield from _settings(_parts(holder, name), f"{path}__", of_owner)


def _parts(holder: Any, name: str) -> Iterator[Any]:  # noqa: ANN401
    """Parts that a parameter may hold: the usual one as its owner makes it."""
    for kind in PARTS.get(name, ()):
        usual = holder._component(name, getattr(holder, name))
        yield usual if isinstance(usual, kind) else kind()


def _help(path: str, texts: dict[str, tuple[str, str]]) -> str:
    """First sentence about a parameter."""
    for name, text in TEXTS.items():
        if f"__{path}".endswith(f"__{name}"):
            return text
    text = texts[path.rpartition("__")[2]][1]
    for end in re.finditer(r"[.;:](?: |$)", text):
        sentence = text[: end.start()]
        if sentence.count("(") == sentence.count(")"):
            return sentence.partition(", see ")[0]
    return text


def described(documented: Any) -> dict[str, tuple[str, str]]:  # noqa: ANN401
    """Type and text of the parameters in docstrings of numpydoc's form, in plain text.

    Those of a class are completed by its bases, whose attributes they may be.
    """
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(getattr(documented, "__mro__", [documented])):
        doc = inspect.cleandoc((base.__doc__ or "").replace("\\\n", ""))
        sections = re.findall(
            r"(?:Attributes|Parameters)\n-+\n(.*?)(?:\n\n|\Z)", doc, re.DOTALL
        )
        for name, kind, text in re.findall(
            r"^(\w+)(?: : (.*))?\n((?: +.*(?:\n|\Z))+)",
            "\n".join(sections),
            re.MULTILINE,
        ):
            plain = re.sub(r":\w+:|[`$\\]", "", " ".join(text.split()))
            found[name] = (kind, plain)
    return found


def _kinds(rules: list[Any]) -> Iterator[_Kind]:
    """Kinds of values that rules allow and a command can say."""
    if None in rules:
        yield _Kind("none", "none", lambda text: _word(["none"], text) and None)
    for rule in rules:
        if isinstance(rule, StrOptions):
            # A graph has no file.
            words = sorted(w for w in rule.options if not w.startswith("precomputed"))
            yield _Kind(", ".join(words), "NAME", lambda t, w=words: _word(w, t))  # type: ignore[misc]
        elif isinstance(rule, Interval):
            metavar = "N" if rule.type is Integral else "X"
            yield _Kind(str(rule), metavar, lambda t, r=rule: _number(r, t))  # type: ignore[misc]
        elif rule == "random_state":
            yield _Kind(str(SEEDS), "N", lambda text: _number(SEEDS, text))
        elif rule is Integral:
            yield _Kind("an int", "N", int)
        elif rule is tuple:
            yield _Kind("numbers with commas between", "N,N", _numbers)
        elif rule is str:
            yield _Kind("text", "TEXT", str)


def _word(words: list[str], text: str) -> str:
    if text not in words:
        raise ValueError
    return text


def _number(interval: Interval, text: str) -> float:
    number: float = int(text) if interval.type is Integral else float(text)
    if number not in interval:
        raise ValueError
    return number


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(t) if "." in t or "e" in t else int(t) for t in text.split(","))


ROWS = Settings.of(NeuralEigenSpectralClustering, NeuralSpectralEmbedding)
IMAGES = Settings.of(DenseSegmenter)
