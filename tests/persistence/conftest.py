"""Files of models of every class, made once by ``tests/fixtures/make_models.py``."""

from pathlib import Path

import pytest

KEPT = Path(__file__).parents[1] / "fixtures" / "models"


@pytest.fixture(scope="session")
def kept_files():
    """Paths of the models that are kept, of all schemas."""
    found = sorted(KEPT.glob("*/*.safetensors"))
    assert len(found) >= 5
    return found
