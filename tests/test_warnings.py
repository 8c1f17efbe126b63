import warnings
from pathlib import Path

import neuraleig
from neuraleig._warnings import warn_user


def warned_at(filename):
    """File that a warning names whose caller is code of that file."""
    code = compile("warn_user('told', UserWarning)", filename, "exec")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(code, {"warn_user": warn_user})
    return caught[0].filename


def test_the_line_of_the_user_is_named(tmp_path):
    script = str(tmp_path / "script.py")
    assert warned_at(script) == script


def test_a_script_beside_the_package_is_the_users():
    beside = str(Path(neuraleig.__file__).parent) + "_script.py"
    assert warned_at(beside) == beside


def test_files_of_the_package_are_not_named():
    inside = str(Path(neuraleig.__file__).parent / "module.py")
    assert warned_at(inside) == __file__
