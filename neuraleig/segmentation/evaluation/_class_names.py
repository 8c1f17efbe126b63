"""Classes of the labelled sets, in the order of their ids."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    """Split a text at its commas."""
    return tuple(" ".join(name.split()) for name in text.split(","))


CAMVID = _words(
    """Sky, Building, Pole, Road, Pavement, Tree, SignSymbol, Fence, Car, Pedestrian,
    Bicyclist"""
)

# The official label table from id 7 (ids 0 to 6 are void).
CITYSCAPES_27 = _words(
    """road, sidewalk, parking, rail track, building, wall, fence, guard rail, bridge,
    tunnel, pole, polegroup, traffic light, traffic sign, vegetation, terrain, sky,
    person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle"""
)
CITYSCAPES_NOT_SCORED = _words(
    "parking, rail track, guard rail, bridge, tunnel, polegroup, caravan, trailer"
)
# Classes of the benchmark, in the order of their train ids.
CITYSCAPES_19 = tuple(n for n in CITYSCAPES_27 if n not in CITYSCAPES_NOT_SCORED)

# The 59 frequent classes by their id among all 459, which is the alphabet.
PASCAL_CONTEXT_59 = _words(
    """aeroplane, bag, bed, bedclothes, bench, bicycle, bird, boat, book, bottle,
    building, bus, cabinet, car, cat, ceiling, chair, cloth, computer, cow, cup,
    curtain, dog, door, fence, floor, flower, food, grass, ground, horse, keyboard,
    light, motorbike, mountain, mouse, person, plate, platform, pottedplant, road,
    rock, sheep, shelves, sidewalk, sign, sky, snow, sofa, table, track, train, tree,
    truck, tvmonitor, wall, water, window, wood"""
)
PASCAL_CONTEXT_60 = ("background", *PASCAL_CONTEXT_59)

# First name of each class of the scene parsing benchmark, by falling share of pixels.
ADE20K_150 = _words(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass,
    cabinet, sidewalk, person, earth, door, table, mountain, plant, curtain, chair,
    car, water, painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat,
    fence, desk, rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column,
    signboard, chest of drawers, counter, sand, sink, skyscraper, fireplace,
    refrigerator, grandstand, path, stairs, runway, case, pool table, pillow,
    screen door, stairway, river, bridge, bookcase, blind, coffee table, toilet,
    flower, book, hill, bench, countertop, stove, palm, kitchen island, computer,
    swivel chair, boat, bar, arcade machine, hovel, bus, towel, light, truck, tower,
    chandelier, awning, streetlight, booth, television receiver, airplane, dirt track,
    apparel, pole, land, bannister, escalator, ottoman, bottle, buffet, poster, stage,
    van, ship, fountain, conveyer belt, canopy, washer, plaything, swimming pool,
    stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, ball, food,
    step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, screen,
    blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier,
    crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag"""
)
