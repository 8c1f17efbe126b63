"""What is in the distributions, what their metadata say, and what an import costs."""

import ast
import io
import re
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import new_process
import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import neuraleig
from neuraleig._extras import PACKAGES, missing

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What tests and documentation read beside Python files.
NEEDED = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml"]
NEEDED += ["tests/conftest.py", "docs/index.md", "examples/benchmarks/compare.py"]
NEEDED += [".ci/run", ".ci/run-minimal", "neuraleig/py.typed"]
# Packages of extras, and those of tests.
OPTIONAL = {"PIL", "dask", "faiss", "matplotlib", "mlflow", "onnx", "polars"}
OPTIONAL |= {"tensorboard", "timm", "torchvision", "typer"}


def built(builder, source, folder):
    (path,) = builder(str(source)).build(directory=str(folder), versions=["standard"])
    return Path(path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return zipfile.ZipFile(built(WheelBuilder, ROOT, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built(SdistBuilder, ROOT, folder)) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def files_below(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def metadata_of(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return Parser().parse(io.TextIOWrapper(wheel.open(name), "utf-8"))


def test_the_version_is_stated_in_one_place(wheel, sdist):
    tree = ast.parse((ROOT / "neuraleig" / "_version.py").read_text("utf-8"))
    (assignment,) = (node for node in tree.body if isinstance(node, ast.Assign))
    stated = ast.literal_eval(assignment.value)
    assert stated == neuraleig.__version__ == version("neuraleig")
    assert metadata_of(wheel)["Version"] == stated
    assert sdist.name == f"neuraleig-{stated}"
    assert "version" not in PROJECT


def test_the_wheel_is_the_package_and_nothing_else(wheel):
    names = {n for n in wheel.namelist() if ".dist-info/" not in n}
    expected = {f"neuraleig/{name}" for name in files_below(ROOT / "neuraleig")}
    assert names == expected
    assert "neuraleig/py.typed" in names
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in wheel.namelist())


def test_the_wheel_of_the_sdist_is_that_of_the_tree(wheel, sdist, tmp_path):
    again = zipfile.ZipFile(built(WheelBuilder, sdist, tmp_path))
    names = sorted(wheel.namelist())
    assert sorted(again.namelist()) == names
    assert all(again.read(name) == wheel.read(name) for name in names)


def test_the_sdist_has_what_tests_and_documentation_need(sdist):
    found = files_below(sdist)
    assert found >= set(NEEDED)
    for folder in ("neuraleig", "tests", "examples"):
        kept = {name for name in files_below(ROOT / folder) if name.endswith(".py")}
        assert found >= {f"{folder}/{name}" for name in kept}
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "figures").glob("*")]
    assert found >= {page.relative_to(ROOT).as_posix() for page in pages}


def test_the_core_needs_no_extra(wheel):
    required = metadata_of(wheel).get_all("Requires-Dist")
    core = {re.split(r"[><=\s;\[]", r)[0] for r in required if "extra ==" not in r}
    assert core == {"numpy", "safetensors", "scikit-learn", "scipy", "torch"}


def test_what_the_users_get_is_what_the_tests_have():
    """A floor is stated once: those of the tests are those of the extras."""
    extras = PROJECT["optional-dependencies"]
    tested = set(extras["test"])
    for extra in (*PACKAGES, "dask"):
        assert set(extras[extra]) <= tested, extra


@pytest.mark.parametrize("extra", PACKAGES)
def test_errors_name_the_packages_of_an_extra(extra):
    stated = PROJECT["optional-dependencies"][extra]
    assert PACKAGES[extra].split() == [re.split("[>=]", r)[0] for r in stated]
    message = missing("Drawing", "it", extra, otherwise="do without")
    assert message == (
        "Drawing needs it, which cannot be imported: "
        f"pip install {PACKAGES[extra]} (extra '{extra}'), or do without"
    )


def test_an_import_leaves_optional_packages_alone():
    code = "import sys, neuraleig.estimators; "
    code += f"print(sorted({OPTIONAL} & sys.modules.keys()))"
    assert new_process.run(["-c", code], check=True).stdout.strip() == "[]"
