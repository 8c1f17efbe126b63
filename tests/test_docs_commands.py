"""Every block of the documentation is run, checked, or listed here with a reason.

Python blocks are run by test_docs.py. What is left are commands and blocks of text.
"""

import ast
import contextlib
import io
import itertools
import re
import runpy
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from test_docs import FENCE, PAGES, ROOT, page_id

import neuraleig
from neuraleig._cli._main import parse
from neuraleig.cli import main
from neuraleig.segmentation.images._image_files import write_image

# Blocks that nothing runs, by their page and first line, and why.
NOT_RUN = {
    ("docs/architecture.md", "loss = objective(network(batch.inputs), batch)"): (
        "one line of the loop, which test_loop.py runs"
    ),
    ("docs/training.md", "loss = objective(network(batch.inputs), batch)"): (
        "one line of the loop, which test_loop.py runs"
    ),
    ("docs/architecture.md", "X"): "a diagram of the steps of a fit",
    ("docs/architecture.md", "images"): "a diagram of the steps of a fit",
    ("docs/architecture.md", "image images.read_image uint8 (height, width, 3)"): (
        "a diagram of the steps of a prediction"
    ),
    ("docs/distributed.md", "from dask_ml.wrappers import ParallelPostFit"): (
        "dask-ml is no dependency; the page says that it is not run"
    ),
    ("docs/distributed.md", "import neuraleig, ray"): (
        "Ray is no dependency; the page says that it is not run"
    ),
    ("docs/distributed.md", "import neuraleig"): (
        "Spark is no dependency; the page says that it is not run"
    ),
    ("docs/extending.md", "class Affinity(ABC):"): (
        "an excerpt of neuraleig/affinity/_base.py, checked below"
    ),
    (
        "docs/guides/text_embeddings.md",
        "from sentence_transformers import SentenceTransformer",
    ): ("fetches a model; sentence-transformers is no dependency"),
    (
        "docs/guides/from_leiden.md",
        "from neuraleig import NeuralEigenSpectralClustering",
    ): "needs an AnnData object; scanpy is no dependency",
    (
        "docs/guides/production.md",
        "ls parts/*.parquet | xargs -P 8 -I {} env OMP_NUM_THREADS=1 neuraleig predict "
        "model.safetensors {} -o {}.labels.csv",
    ): "a loop of the shell over files that are not there",
    ("docs/report.md", '{"0": "sky", "2": "tree", "3": "tree"}'): (
        "what is in a file, which test_report_command.py reads"
    ),
    ("docs/segmentation.md", "from neuraleig.segmentation import load_dataset"): (
        "needs Cityscapes"
    ),
}
# A block whose lines begin with these is one of commands.
PROGRAMS = {"pip", "python", "python3", "torchrun", "neuraleig"}
# Modules that `python -m` starts, which .ci/run does as well.
MODULES = {"pytest", "sphinx", "venv", "neuraleig._cli._interface"}
OPTION = re.compile(r"--[a-z][a-z-]*")


def other_blocks(page):
    """Text of the blocks that are not Python."""
    for block in FENCE.finditer(page.read_text("utf-8")):
        if block.group(1) != "python":
            yield block.group(2)


def commands(block):
    """Words of the commands of a block, or nothing if it is no block of commands.

    What follows a command after two spaces says what it does.
    """
    lines = block.replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        for part in re.split(r" && ", line.strip()):
            shown = re.sub(r" {2,}(?!-)\S.*", "", part)
            words = list(itertools.takewhile(is_argument, shlex.split(shown)))
            if not words or Path(words[0]).name not in PROGRAMS:
                return []
            found.append([Path(words[0]).name, *words[1:]])
    return found


def is_argument(word):
    """Whether a word is the command's, and not the shell's."""
    return word not in {"<", ">", "|"}


def first_line(block):
    return " ".join(block.splitlines()[0].split())


ALL = [(page, block) for page in PAGES for block in other_blocks(page)]
COMMANDS = [
    pytest.param(words, id=f"{page_id(page)}: {' '.join(words)}")
    for page, block in ALL
    for words in commands(block)
]
IMAGES = [
    pytest.param(block, id=page_id(page))
    for page, block in ALL
    if first_line(block) == "from neuraleig import DenseSegmenter"
]


def of_program(*names):
    return [found for found in COMMANDS if found.values[0][0] in names]


def test_no_block_is_forgotten():
    """A block is of commands, which are checked, or it is listed with a reason."""
    listed = set(NOT_RUN)
    run = {param.values[0] for param in IMAGES}
    for page, block in ALL:
        if not commands(block) and block not in run:
            entry = (page_id(page), first_line(block))
            assert entry in NOT_RUN, f"{entry} is run by no test and not listed"
            listed.discard(entry)
    assert not listed, f"listed, but no longer there: {listed}"


@pytest.mark.parametrize("words", of_program("pip"))
def test_extras_that_are_installed_exist(words):
    """The network is not used: only the names are looked up."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])


@pytest.mark.parametrize("words", of_program("neuraleig"))
def test_commands_of_ours_are_understood(words):
    """Those of images need weights or data, so they are parsed and not run.

    test_segment_cli.py runs them with features that need no weights.
    """
    if words[1:] == ["--version"]:
        assert main(words[1:]) == 0
    else:
        assert callable(parse(words[1:]))


@pytest.mark.parametrize(
    "words", [param for param in of_program("neuraleig") if "demo" in param.values[0]]
)
def test_demos_run(words, tmp_path, monkeypatch):
    """On the smallest data, unless a command names others; .ci/run has the default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    small = [] if "--dataset" in words else ["--dataset", "wine"]
    assert main([*words[1:], *small], io.StringIO()) == 0


@pytest.fixture
def scripts(monkeypatch):
    """Scripts of the benchmarks import each other by name, from their folder."""
    before = set(sys.modules)
    folder = ROOT / "examples" / "benchmarks"
    monkeypatch.syspath_prepend(folder)
    yield
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.mark.parametrize("words", of_program("python", "python3", "torchrun"))
def test_scripts_and_their_options_exist(words, scripts, monkeypatch):
    """They take minutes; what they compute is tested in tests/examples."""
    if words[1] == "-m":
        assert words[2] in MODULES
        return
    at = next(place for place, word in enumerate(words) if word.endswith(".py"))
    script, options = ROOT / words[at], set(OPTION.findall(" ".join(words[at + 1 :])))
    assert script.is_file()
    if options:
        monkeypatch.setattr(sys, "argv", [str(script), "--help"])
        said = io.StringIO()
        with contextlib.redirect_stdout(said), pytest.raises(SystemExit, match="0"):
            runpy.run_path(str(script), run_name="__main__")
        assert options <= set(OPTION.findall(said.getvalue()))


# Two pictures have no 27 kinds of places.
@pytest.mark.filterwarnings("ignore:Only .* clusters have tokens")
@pytest.mark.parametrize("block", IMAGES)
def test_images_by_another_backbone(block, tmp_path, monkeypatch):
    """The default's weights need the network; all else is run as it stands."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number in range(2):
        generator = np.random.default_rng(number)
        pixels = generator.integers(0, 255, (96, 128, 3), np.uint8)
        write_image(tmp_path / "photos" / f"{number}.png", pixels)

    class Quick(neuraleig.DenseSegmenter):
        def fit(self, images, y=None):
            self.set_params(backbone="color_texture")
            return super().fit(images)

    monkeypatch.setattr(neuraleig, "DenseSegmenter", Quick)
    exec(compile(block, "block", "exec"), {})
    masks = sorted(path.name for path in (tmp_path / "masks").glob("*.png"))
    assert masks == ["0.png", "1.png"]
    assert (tmp_path / "clusters.jpg").is_file()


def test_the_excerpt_of_a_base_class_is_true():
    """Names and arguments of the methods that the page on extending shows."""
    page = (ROOT / "docs" / "extending.md").read_text("utf-8")
    block = next(text for _, text in FENCE.findall(page) if "class Affinity" in text)
    source = (ROOT / "neuraleig" / "affinity" / "_base.py").read_text("utf-8")

    def members(text):
        body = next(
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ClassDef) and node.name == "Affinity"
        ).body
        methods = [node for node in body if isinstance(node, ast.FunctionDef)]
        fields = [node.target.id for node in body if isinstance(node, ast.AnnAssign)]
        named = {
            method.name: [
                argument.arg for argument in method.args.args + method.args.kwonlyargs
            ]
            for method in methods
        }
        return named | dict.fromkeys(fields)

    shown, real = members(block), members(source)
    assert len(shown) == 3
    for name, arguments in shown.items():
        assert name in real
        if arguments is not None:
            assert real[name][: len(arguments)] == arguments


def test_the_checks_see_what_they_look_for():
    assert commands("neuraleig demo     the demo\n") == [["neuraleig", "demo"]]
    assert commands("a/pip install x && python -m pytest\n")[1] == [
        *("python", "-m", "pytest")
    ]
    assert commands("torchrun --a \\\n    --b c.py\n") == [
        ["torchrun", "--a", "--b", "c.py"]
    ]
    assert commands("neuraleig fit - < a.csv > b\n") == [["neuraleig", "fit", "-"]]
    assert commands("labels = predict(X)\n") == []
