"""``neuraleig segment``: commands for images."""

from __future__ import annotations

from typer import Typer

from neuraleig._cli._command import command, make_app
from neuraleig._cli._segment_evaluate import evaluate
from neuraleig._cli._segment_fit import fit, predict
from neuraleig._cli._segment_name import name_clusters

SEGMENT = """\
  neuraleig segment fit photos -o model.safetensors --n-clusters 12
  neuraleig segment predict model.safetensors photos -o labels --overlays
  neuraleig segment name model.safetensors --name 3=road --merge 1,4
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
  neuraleig segment fit --help             options of a command
"""
FIT = """\
  neuraleig segment fit photos -o model.safetensors
  neuraleig segment fit photos -o m.safetensors --n-clusters 12 --refine guided
  neuraleig segment fit photos -o m.safetensors --backbone color_texture
  neuraleig segment fit photos -o m.safetensors --backbone.weights dinov2.pth
"""
PREDICT = """\
  neuraleig segment predict model.safetensors photos -o labels
  neuraleig segment predict model.safetensors photos -o labels --overlays
"""
EVALUATE = """\
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid
  neuraleig segment evaluate --dataset cityscapes --root DIR
                                   a row of the published tables
  neuraleig segment evaluate model.safetensors --dataset camvid --root CamVid \\
      --map-split train            match clusters to classes on other images
  neuraleig segment evaluate --layouts
                                   folders in which the sets are expected
"""
NAME = """\
  neuraleig segment name model.safetensors --sheet photos sheet.png
  neuraleig segment name m.safetensors --name 3=road --name 5=sky --merge 1,4
  neuraleig segment name model.safetensors --names names.json --merge-equal
                                   with names.json: {"3": "road", "5": "sky"}
"""


def add_commands(app: Typer) -> None:
    """Add the commands."""
    segment = make_app("Segment images without labels.", SEGMENT)
    app.add_typer(segment, name="segment")
    command(segment, "fit", fit, FIT)
    command(segment, "predict", predict, PREDICT)
    command(segment, "evaluate", evaluate, EVALUATE)
    command(segment, "name", name_clusters, NAME)
