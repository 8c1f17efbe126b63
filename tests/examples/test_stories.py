"""What newcomers do first, from their files to what they wanted; by hand (``-m slow``).

Scripts of the benchmarks, with made-up data: what they print is in the documentation.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "examples" / "benchmarks"


def told(name, tmp_path, *arguments):
    """Figures of a story."""
    figures = tmp_path / "figures.json"
    words = [sys.executable, SCRIPTS / name, "--json", figures, *arguments]
    subprocess.run(words, check=True, cwd=tmp_path)
    return json.loads(figures.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_customers_of_a_csv_file_are_grouped_by_one_command(tmp_path, seed):
    pytest.importorskip("typer")
    found = told("story_customers.py", tmp_path, "--seed", str(seed))
    assert found["ari"] >= found["ari_scaled_kmeans"]
    assert found["report_kB"] > 50


@pytest.mark.slow
def test_sixty_pictures_are_segmented_by_one_command(tmp_path):
    pytest.importorskip("typer")
    pytest.importorskip("PIL")
    found = told("story_photographs.py", tmp_path)
    assert found["n_label_maps"] == 60
    assert found["new_miou"] > 0.85


@pytest.mark.slow
def test_a_service_labels_rows_and_raises_an_alarm(tmp_path):
    found = told("story_service.py", tmp_path)
    assert found["equal_in_a_batch"]
    assert found["accuracy"] > 0.85
    assert not found["usual_day"]["alarm"]
    assert found["shifted_day"]["alarm"]
