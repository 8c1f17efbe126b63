"""Files of models of every class, made once by ``tests/fixtures/make_models.py``."""

from pathlib import Path

import pytest

from neuraleig.persistence._plain_file import SCHEMA

KEPT = Path(__file__).parents[1] / "fixtures" / "models"


@pytest.fixture(scope="session")
def kept_files():
    """Paths of the models of the schema of now."""
    found = sorted(KEPT.glob(f"schema-{SCHEMA}/*.safetensors"))
    assert len(found) >= 5
    return found
