"""Parameters of the estimators and of their parts as options.

Names and defaults come from signatures, ranges from scikit-learn's constraints, and
help from docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from numbers import Integral
from typing import Any

from neuraleig._cli._command import Described
from neuraleig._cli._readers import Given, Reader
from neuraleig._sklearn import Interval, StrOptions
from neuraleig.affinity import CosineAffinity, NeighborAffinity, RBFAffinity
from neuraleig.estimators import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.segmentation import DenseSegmenter, TimmBackbone
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
        self._is_switch = "boolean" in rules
        self._kinds = list(_kinds(rules))
        words = [kind["expected"] for kind in self._kinds if "words" in kind]
        listed = f": {words[0]}" if words and words[0].count(",") < LISTED else ""
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        elif isinstance(default, bool):
            default = "yes" if default else "no"
        shown = "" if default is None else f" (default: {default})"
        self.help = f"{text}{listed}{shown}"

    def described(self, name: str) -> Described:
        """Description of the option for the command line."""
        found: Described = {"name": name, "metavar": "", "help": self.help}
        found |= {"is_required": False, "type": "switch", "words": [self.option]}
        if self._is_switch:
            part, dot, own = self.option.removeprefix("--").rpartition(".")
            found["words"] = [f"{self.option}/--{part}{dot}no-{own}"]
            return found
        found |= {"type": "value", "metavar": self._kinds[-1]["metavar"]}
        # The last rule gives the metavar of all.
        kinds = [{k: v for k, v in e.items() if k != "metavar"} for e in self._kinds]
        return found | {"reader": ["setting", kinds]}

    def read(self, text: str) -> Given:
        """Value that a text stands for."""
        found: Given = Reader("setting", (self._kinds,))(text)
        return found


class Settings(dict[str, Setting]):
    """Parameters of estimators, by their names.

    Parameters
    ----------
    title : str
        Name of the group of options in the description of the commands.
    members : mapping or iterable of pairs
        Settings by the names of the parameters.
    """

    def __init__(self, title: str, members: Any) -> None:  # noqa: ANN401
        super().__init__(members)
        self.title = title

    @classmethod
    def of(cls, title: str, *estimators: type) -> Settings:
        """Parameters of some estimators, and of their parts."""
        return cls(title, _settings((kind() for kind in estimators), "", ()))

    def only(self, title: str, names: Iterable[str]) -> Settings:
        """Some of them."""
        return Settings(title, {name: self[name] for name in names})


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


def _kinds(rules: list[Any]) -> Iterator[Described]:
    """Kinds of values that rules allow and a command can say.

    Each has a key of ``RULES`` in ``_readers.py``, words for errors, and a metavar.
    """
    if None in rules:
        yield _kind("none", "none", "none")
    for rule in rules:
        if isinstance(rule, StrOptions):
            # A graph has no file.
            words = sorted(w for w in rule.options if not w.startswith("precomputed"))
            yield _kind("word", ", ".join(words), "NAME", words=words)
        elif isinstance(rule, Interval):
            yield _interval(rule)
        elif rule == "random_state":
            yield _interval(SEEDS)
        elif rule is Integral:
            yield _kind("integer", "an int", "N")
        elif rule is tuple:
            yield _kind("numbers", "numbers with commas between", "N,N")
        elif rule is str:
            yield _kind("text", "text", "TEXT")


def _kind(kind: str, expected: str, metavar: str, **more: Any) -> Described:  # noqa: ANN401
    return {"kind": kind, "expected": expected, "metavar": metavar, **more}


def _interval(rule: Interval) -> Described:
    is_whole = rule.type is Integral
    return _kind(
        "number",
        str(rule),
        "N" if is_whole else "X",
        is_whole=is_whole,
        low=rule.left,
        high=rule.right,
        closed=rule.closed,
    )


ROWS = Settings.of(
    "parameters of rows", NeuralEigenSpectralClustering, NeuralSpectralEmbedding
)
IMAGES = Settings.of("parameters of images", DenseSegmenter)
