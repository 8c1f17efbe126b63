"""The rules of docs and DESIGN, read off the source."""

import ast
from functools import cache
from pathlib import Path

import pytest

import neuraleig

PACKAGE = Path(neuraleig.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_PUBLIC_METHODS = 12

FOUNDATION = {
    "_validation",
    "_random",
    "_rows",
    "_batch",
    "_cluster_names",
    "_interchange",
    "_shard",
    "_atomic",
    "_components",
    "_device",
    "_extras",
    "_sklearn",
    "_sparse",
    "_sparse_rows",
    "_standardize",
    "_terminal",
    "_tree",
    "_tree_file",
    "_typing",
    "_version",
    "_warnings",
    "_words",
}
MATHEMATICS = {
    "affinity",
    "objectives",
    "networks",
    "spectrum",
    "metrics",
    "novelty",
}
RUNNERS = {"sampling", "training", "eigenfunctions"}
# What each part may import besides itself and the foundation.
ALLOWED = {part: set() for part in FOUNDATION | MATHEMATICS} | {
    "reading": {"affinity", "metrics"},
    "sampling": {"affinity"},
    "training": set(),
    "eigenfunctions": {"spectrum", "training._distributed"},
    "_fit": MATHEMATICS | RUNNERS | {"reading"},
    "estimators": MATHEMATICS | RUNNERS | {"reading", "_fit"},
    "segmentation": MATHEMATICS | RUNNERS | {"reading", "_fit", "estimators"},
    "persistence": {
        "affinity",
        "estimators",
        "segmentation",
        "eigenfunctions",
        "networks",
        "novelty",
        "reading",
        "training",
    },
    "onnx": {
        "estimators",
        "segmentation",
        "eigenfunctions",
        "networks",
        "reading",
    },
    "plotting": {
        "estimators",
        "eigenfunctions",
        "segmentation",
        "spectrum",
        "training",
    },
    "_tables": set(),
    "report": {"plotting", "estimators", "segmentation"},
}
# What single files import in functions besides, since few fits need it.
LATE = {"estimators/_alignment.py": {"persistence"}}
ANYTHING = {"cli", "_cli", "_demo", "_demo_plots", "__init__", "__main__"}
# Each of these is imported by a single file.
ONE_HOME = (
    "timm",
    "torchvision",
    "PIL",
    "jinja2",
    "matplotlib",
    "faiss",
    "onnx",
    "onnxscript",
    "pyarrow",
    "mlflow",
    "sklearn.callback",
    "torch.utils.tensorboard",
)


def name_of(path):
    return path.relative_to(PACKAGE).as_posix()


def part_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported_by(source):
    """Dotted names of everything that a source imports, dots before relative ones."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            # ``from neuraleig import spectrum`` imports neuraleig.spectrum.
            if node.module == "neuraleig":
                found += [f"neuraleig.{alias.name}" for alias in node.names]
            else:
                found.append("." * node.level + (node.module or ""))
    return found


def imports_of(path):
    """Dotted names of everything that a file imports."""
    found = imported_by(path.read_text(encoding="utf-8"))
    relative = [name for name in found if name.startswith(".")]
    assert not relative, f"{name_of(path)} has a relative import"
    return found


def imports_under(path, *names):
    return any(
        found == name or found.startswith(f"{name}.")
        for found in imports_of(path)
        for name in names
    )


def body_lines(function):
    """Lines of a function without its docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def stores_parameters(function):
    """Whether it is an ``__init__`` that assigns and does nothing else."""
    return function.name == "__init__" and all(
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)
        for node in function.body
    )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_part_imports_a_higher_one(path):
    part = part_of(path)
    if part in ANYTHING:
        return
    assert part in ALLOWED, f"{part} has no place in the table of layers"
    allowed = {part, *FOUNDATION, *ALLOWED[part], *LATE.get(name_of(path), ())}
    if part in FOUNDATION:
        allowed = FOUNDATION
    ours = {n for n in imports_of(path) if n.split(".")[0] == "neuraleig"}
    for name in ours:
        inside = name.removeprefix("neuraleig.")
        assert any(inside == a or inside.startswith(f"{a}.") for a in allowed), (
            f"{name_of(path)} imports {name}"
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_stay_small(path):
    source = path.read_text(encoding="utf-8")
    assert "utils" not in path.stem
    assert len(source.splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and not stores_parameters(node):
            assert body_lines(node) <= MAX_FUNCTION_LINES, node.name
        if isinstance(node, ast.ClassDef):
            methods = [
                child.name
                for child in node.body
                if isinstance(child, ast.FunctionDef) and child.name[0] != "_"
            ]
            assert len(methods) <= MAX_PUBLIC_METHODS, node.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_printed(path):
    if part_of(path) == "cli":
        return
    calls = [
        node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)
    ]
    assert not [f for f in calls if isinstance(f, ast.Name) and f.id == "print"]


def test_objectives_are_tensors_in_scalar_out():
    for path in (PACKAGE / "objectives").glob("*.py"):
        assert not imports_under(path, "sklearn", "torch.distributed"), path


@pytest.mark.parametrize("name", [*ONE_HOME, "torch.distributed"])
def test_optional_packages_have_one_home(name):
    homes = [name_of(path) for path in MODULES if imports_under(path, name)]
    assert len(homes) <= 1


def test_the_rules_see_what_they_forbid(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    (tmp_path / "objectives").mkdir()
    bad = tmp_path / "objectives" / "_bad.py"
    for line in (
        "from neuraleig import training",
        "import neuraleig.spectrum",
        "def f():\n    from neuraleig.networks._heads import make_head",
        "from .._batch import Batch",
    ):
        bad.write_text(line)
        with pytest.raises(AssertionError, match=r"imports|relative"):
            test_no_part_imports_a_higher_one(bad)
    bad.write_text("print(1)")
    with pytest.raises(AssertionError):
        test_nothing_is_printed(bad)
    bad.write_text("def f():\n" + "    x = 1\n" * 41)
    with pytest.raises(AssertionError):
        test_files_stay_small(bad)
    bad.write_text('def f():\n    """' + "\n" * 50 + '"""\n' + "    x = 1\n" * 38)
    test_files_stay_small(bad)
