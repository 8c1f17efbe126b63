"""The examples of images run, and write what they say."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def test_a_folder_through_a_transformer(tmp_path, monkeypatch, capsys):
    pytest.importorskip("timm")
    image = pytest.importorskip("PIL.Image")
    photos = tmp_path / "photos" / "holiday"
    photos.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(3):
        # Two halves, told apart by colour whatever the weights are.
        pixels = generator.integers(0, 60, (48, 64, 3), dtype=np.uint8)
        pixels[:, 32:] += np.uint8(180)
        image.fromarray(pixels).save(photos / f"{number}.png")
    (photos / "broken.png").write_bytes(b"")
    out = tmp_path / "segments"
    with pytest.warns(match="cannot be read|could not be read"):
        run(
            "segment_folder_dinov2.py",
            monkeypatch,
            photos.parent,
            *("--out", out),
            *("--backbone", "vit_tiny_patch16_224", "--no-pretrained"),
            *("--n-clusters", 2, "--max-iter", 2, "--device", "cpu"),
        )
    with image.open(out / "holiday" / "2.png") as labels:
        assert labels.size == (64, 48)
    assert (out / "overlays" / "holiday" / "2.jpg").is_file()
    assert (out / "clusters.jpg").is_file()
    images = manifest_of(out)["images"]
    labelled = [image["source"] for image in images if image["error"] is None]
    assert labelled == [f"holiday/{number}.png" for number in range(3)]
    assert "broken.png': the file is empty" in capsys.readouterr().out


def test_pictures(tmp_path, monkeypatch, capsys):
    image = pytest.importorskip("PIL.Image")
    out = tmp_path / "segments"
    run("segment_pictures.py", monkeypatch, "--out", out, "--name", "3=flower")
    for name in ("china", "flower"):
        with image.open(out / f"{name}.png") as labels:
            assert labels.size == (640, 427)
            assert len(np.unique(np.asarray(labels))) > 1
        assert (out / "overlays" / f"{name}.jpg").is_file()
    assert (out / "clusters.jpg").is_file()
    assert "cluster 3 (flower): " in capsys.readouterr().out
    assert manifest_of(out)["clusters"][3]["name"] == "flower"
