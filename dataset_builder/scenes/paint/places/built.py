"""Built places: streets, roads, rooms and a stage, as layouts in neutral light.

Law: a painter of a place is a pure function of (seed, size); windows that are lit
after dark are lamps of the layout.
"""

from __future__ import annotations

import numpy as np

from dataset_builder.scenes.paint.canvas import (
    Array,
    below,
    box,
    choose_colour,
    inside,
    mix,
    rgb,
    ridge,
    smoothstep,
)
from dataset_builder.scenes.paint.layout import Layout, Painter, fade_below, slope
from dataset_builder.scenes.paint.places.props import stand

_WALLS = (
    (150, 160, 178),
    (178, 150, 130),
    (122, 138, 162),
    (192, 180, 162),
    (106, 116, 142),
    (164, 114, 100),
)


def _block(random: np.random.Generator, width: int, height: int, cell: int) -> tuple[Array, Array, Array]:
    """Return one house front: colours ``(h, w, 3)``, relief and lit windows ``(h, w)``."""
    wall = choose_colour(random, _WALLS)
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    inner_row, inner_column = rows % cell, (columns - (width % cell) // 2) % cell
    pane = (inner_row >= cell * 0.3) & (inner_row < cell * 0.85) & (inner_column >= cell * 0.3)
    pane = pane & (inner_column < cell * 0.85) & (rows >= cell * 0.6) & (columns > 1) & (columns < width - 2)
    lit = random.random((height // cell + 1, width // cell + 2)) < 0.55
    on = pane & lit[rows // cell, (columns + cell) // cell % lit.shape[1]]
    colour = np.where(pane[..., None], mix(wall, rgb(70, 92, 124), 0.7), wall).astype(np.float32)
    relief = np.zeros((height, width), np.float32)
    relief[:, : max(1, width // 9)] = -0.5
    relief[:, -max(1, width // 7) :] = 0.5
    return colour, relief, on.astype(np.float32)


def city(seed: int, size: int) -> Layout:
    """Three rows of houses with windows, a pavement and a street."""
    p = Painter("city", seed, size)
    horizon = p.random("lines").uniform(0.60, 0.68)
    cell = max(3, round(size / 22))
    for index, depth in enumerate((0.85, 0.55, 0.2)):
        random = p.random(f"row {index}")
        x = -0.04
        while x < 1:
            width = random.uniform(0.10, 0.18)
            height = random.uniform(0.24, 0.54) * (1 - 0.2 * index)
            front = _block(random, max(6, round(width * size)), max(8, round(height * size)), cell)
            solid = np.ones(front[1].shape, np.float32)
            p.stamp(
                front[0],
                solid,
                x=x + width / 2,
                foot=horizon,
                depth=depth,
                flat=0.04,
                relief=front[1],
                lamps=front[2],
            )
            x += width + random.uniform(0, 0.02)
    distance = p.distance(horizon) * 0.25
    p.lay(below(np.full(size, horizon, np.float32), size), rgb(176, 174, 168), depth=distance, flat=0.7)
    kerb = horizon + 0.075
    p.lay(below(np.full(size, kerb, np.float32), size), rgb(122, 120, 118), depth=distance, flat=0.4)
    asphalt = rgb(88, 90, 96) + p.grain("fine", "asphalt", 7, horizon)
    p.lay(below(np.full(size, kerb + 0.014, np.float32), size), asphalt, depth=distance, flat=0.8, water=0.05)
    middle = (kerb + 1) / 2
    offset = p.random("marks").uniform(0, 0.17)
    dashes = ((p.xx + offset) % 0.17 < 0.095) & (np.abs(p.yy - middle) < 0.011)
    p.lay(dashes.astype(np.float32), rgb(238, 232, 204), depth=distance, flat=0.6)
    lamps = p.random("lamps")
    if lamps.random() < 0.6:
        stand(p, "street lamp", lamps, x=lamps.uniform(0.06, 0.94), foot=kerb, height=0.34, depth=0.1)
    return p.finish(horizon=horizon, ground=(kerb + 0.08, 0.95))


def road(seed: int, size: int) -> Layout:
    """A country road that runs to the horizon between fields."""
    p = Painter("road", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.44, 0.54)
    line = ridge(p.random("hills"), horizon + 0.02, random.uniform(0.06, 0.16), 1.3, size)
    p.lay(
        below(line, size),
        rgb(124, 156, 124),
        depth=0.75,
        flat=0.6,
        relief=slope(line) * fade_below(line, 0.2, size),
    )
    grass = choose_colour(random, ((116, 166, 74), (172, 166, 88), (140, 158, 72))) + p.grain(
        "fine", "grass", 16, horizon
    )
    p.lay(below(np.full(size, horizon, np.float32), size), grass, depth=p.distance(horizon) * 0.6, flat=0.9)
    near = np.clip((p.yy - horizon) / (1 - horizon), 0, 1)
    vanishing = random.uniform(0.35, 0.65)
    centre = vanishing + (0.5 - vanishing) * near
    across = np.abs(p.xx - centre)
    half = 0.012 + near * 0.44
    on_road = inside(across - half, size) * (p.yy > horizon)
    asphalt = rgb(104, 104, 110) + p.grain("fine", "asphalt", 8, horizon)
    distance = p.distance(horizon) * 0.5
    p.lay(np.asarray(on_road, np.float32), asphalt, depth=distance, flat=0.75, water=0.04)
    edge = inside(np.abs(across - half * 0.93) - half * 0.02, size) * on_road
    p.lay(np.asarray(edge, np.float32), rgb(238, 236, 228), depth=distance, flat=0.6)
    dash = (np.sin(np.log(near + 0.04) * 14) > 0) & (across < half * 0.035)
    p.lay(
        dash.astype(np.float32) * np.asarray(on_road, np.float32),
        rgb(246, 226, 130),
        depth=distance,
        flat=0.6,
    )
    trees = p.random("trees")
    for _ in range(int(trees.integers(2, 6))):
        side = (
            trees.uniform(0.0, vanishing - 0.12)
            if trees.random() < 0.5
            else trees.uniform(vanishing + 0.12, 1.0)
        )
        stand(p, "tree", trees, x=side, foot=horizon + 0.03, height=trees.uniform(0.10, 0.2), depth=0.45)
    return p.finish(horizon=horizon, ground=(horizon + 0.26, 0.95))


def _window(painter: Painter, left: float, top: float, width: float, height: float) -> None:
    """Open a wall to the sky, in a white frame with a cross."""
    size = painter.size
    right, bottom, frame = left + width, top + height, 0.018
    outer = box(left - frame, top - frame, right + frame, bottom + frame, size)
    painter.lay(outer, rgb(248, 246, 240), depth=0.0)
    for x in (left, left + width / 2 + frame / 3):
        for y in (top, top + height / 2 + frame / 3):
            pane = box(x, y, x + width / 2 - frame / 3, y + height / 2 - frame / 3, size)
            painter.lay(pane, rgb(0, 0, 0), depth=0.0, cover=0.0)
    painter.lay(
        box(left - 0.035, bottom + frame, right + 0.035, bottom + 2.2 * frame, size),
        rgb(226, 222, 212),
        depth=0.0,
    )


def _planks(painter: Painter, top: float, base: Array) -> None:
    """Lay a wooden floor in perspective from ``top`` down."""
    near = np.clip((painter.yy - top) / (1 - top), 0, 1)
    across = (painter.xx - 0.5) / (0.55 + 0.45 * near) * 9
    tone = (np.sin(np.floor(across + 50) * 12.9898) * 43758.5) % 1
    grain = painter.noise("tall", "floor/grain")
    gap = 1 - 0.28 * smoothstep(0.45, 0.5, np.abs(across % 1 - 0.5))
    wood = (base + ((tone - 0.5) * 0.085 + grain * 0.016)[..., None]) * (gap * (0.84 + 0.2 * near))[..., None]
    painter.lay(
        below(np.full(painter.size, top, np.float32), painter.size), np.asarray(wood, np.float32), depth=0.0
    )


def _lamp(painter: Painter, x: float, y: float, reach: float) -> None:
    """Hang a lamp that is lit after dark."""
    size = painter.size
    painter.lay(box(x - 0.004, 0.0, x + 0.004, y, size), rgb(70, 66, 64), depth=0.0)
    away = np.hypot(painter.xx - x, (painter.yy - y) * 1.5)
    shade = inside(np.asarray(away - reach, np.float32), size)
    painter.lay(shade, rgb(246, 230, 196), depth=0.0, lamps=0.9)


def living_room(seed: int, size: int) -> Layout:
    """A papered wall with a window, a picture, a plant, a lamp, a wooden floor and a rug."""
    p = Painter("living room", seed, size)
    random = p.random("lines")
    corner = random.uniform(0.60, 0.68)
    beside = (
        (206, 224, 216),
        (234, 218, 192),
        (216, 206, 228),
        (196, 214, 234),
        (240, 226, 206),
        (228, 192, 182),
    )
    wall = choose_colour(random, beside) * (1 - 0.16 * (p.xx - 0.5) ** 2 * 4)[..., None]
    if random.random() < 0.5:
        wall = wall * (1 + 0.03 * np.sign(np.sin(p.xx * (2 * np.pi * 11))))[..., None]
    wall = wall + (p.noise("soft", "wall") * (2 / 255))[..., None]
    p.lay(np.ones((size, size), np.float32), np.asarray(wall, np.float32), depth=0.0)
    _planks(p, corner, choose_colour(random, ((176, 124, 80), (150, 104, 70), (196, 152, 104))))
    p.lay(box(0, corner - 0.04, 1, corner, size), rgb(246, 242, 234), depth=0.0)
    window = p.random("window")
    left, width = window.uniform(0.08, 0.62), window.uniform(0.22, 0.28)
    _window(p, left, window.uniform(0.10, 0.16), width, width * 1.15)
    other = (left + 0.5) % 0.78 + 0.08
    frame = choose_colour(window, ((120, 84, 56), (60, 60, 66), (214, 180, 90)))
    p.lay(box(other - 0.08, 0.16, other + 0.08, 0.32, size), frame, depth=0.0)
    p.lay(
        box(other - 0.062, 0.178, other + 0.062, 0.302, size),
        choose_colour(window, ((96, 150, 180), (206, 132, 96))),
        depth=0.0,
    )
    _lamp(p, float(np.clip((left + width + other) / 2, 0.1, 0.9)), 0.10, 0.055)
    rug = p.random("rug")
    shape = np.hypot(
        (p.xx - rug.uniform(0.35, 0.65)) / 0.42,
        (p.yy - ((corner + 1) / 2 + 0.02)) / 0.11,
    )
    wool = choose_colour(rug, ((178, 70, 70), (70, 110, 160), (90, 140, 110), (210, 170, 90)))
    wool = np.where((shape > 0.85)[..., None], wool * 1.2, wool) + p.grain("fine", "rug/wool", 6, corner)
    p.lay(smoothstep(1.02, 0.98, shape), np.asarray(wool, np.float32), depth=0.0)
    stand(p, "plant", rug, x=float(np.clip(other, 0.1, 0.9)), foot=corner + 0.06, height=0.27, depth=0.0)
    return p.finish(horizon=corner, ground=(corner + 0.14, 0.95), haze=0.0, indoor=True)


def kitchen(seed: int, size: int) -> Layout:
    """A tiled wall with a window and a shelf over a worktop."""
    p = Painter("kitchen", seed, size)
    random = p.random("lines")
    top = random.uniform(0.62, 0.70)
    tiles = choose_colour(random, ((236, 240, 240), (206, 228, 226), (242, 230, 208), (214, 224, 240)))
    u, v = p.xx * 10, p.yy * 10
    tone = (np.sin(np.floor(u) * 7.13 + np.floor(v) * 3.71) * 4375.5) % 1
    joint = np.maximum(np.abs(u % 1 - 0.5), np.abs(v % 1 - 0.5)) > 0.46
    wall = (tiles + ((tone - 0.5) * 0.05)[..., None]) * np.where(joint, 0.84, 1.0)[..., None]
    p.lay(np.ones((size, size), np.float32), np.asarray(wall, np.float32), depth=0.0)
    window = p.random("window")
    left = window.uniform(0.10, 0.60)
    _window(p, left, 0.13, 0.26, 0.24)
    shelf = (left + 0.5) % 0.62 + 0.06
    p.lay(box(shelf, 0.32, shelf + 0.28, 0.347, size), rgb(150, 104, 66), depth=0.0)
    for index in range(3):
        x, height = shelf + 0.05 + 0.09 * index, window.uniform(0.06, 0.10)
        jar = choose_colour(
            window, ((206, 96, 80), (240, 200, 96), (96, 140, 186), (236, 232, 224), (110, 160, 110))
        )
        p.lay(box(x - 0.03, 0.32 - height, x + 0.03, 0.32, size), jar, depth=0.0)
        p.lay(box(x - 0.022, 0.31 - height, x + 0.022, 0.325 - height, size), jar * 0.7, depth=0.0)
    _lamp(p, float(np.clip(shelf + 0.14, 0.1, 0.9)), 0.07, 0.045)
    stone = choose_colour(random, ((186, 136, 90), (150, 106, 72), (214, 206, 198), (120, 120, 126)))
    worktop = stone + (p.noise("grain", "worktop") * (8 / 255))[..., None]
    p.lay(box(0, top, 1, 1.1, size), np.asarray(worktop, np.float32), depth=0.0)
    p.lay(box(0, top, 1, top + 0.016, size), np.minimum(stone * 1.2, 1), depth=0.0)
    return p.finish(horizon=top, ground=(top + 0.10, 0.95), haze=0.0, indoor=True)


def stage(seed: int, size: int) -> Layout:
    """A theatre stage: a curtain, boards and two spotlights."""
    p = Painter("stage", seed, size)
    random = p.random("lines")
    edge = random.uniform(0.64, 0.70)
    cloth = choose_colour(random, ((168, 34, 44), (118, 32, 96), (34, 62, 140), (30, 104, 84)))
    folds = np.sin(p.xx * random.uniform(52, 70) + np.sin(p.yy * 5) * 0.6)
    curtain = cloth * (0.72 + 0.26 * folds)[..., None]
    p.lay(np.ones((size, size), np.float32), np.asarray(curtain, np.float32), depth=0.0)
    _planks(p, edge, rgb(140, 92, 58))
    scallop = 0.10 + np.abs(np.sin(p.xx * (np.pi * 5))) * 0.045
    trim = inside(np.asarray(p.yy - scallop, np.float32), size)
    p.lay(trim, np.asarray(cloth * 1.12, np.float32), depth=0.0)
    p.lay(trim - inside(np.asarray(p.yy - scallop + 0.014, np.float32), size), rgb(226, 180, 84), depth=0.0)
    for x in (0.32, 0.68):
        pool = np.hypot((p.xx - x) / 0.34, (p.yy - (edge + 0.16)) / 0.14)
        p.lay(smoothstep(1.0, 0.4, pool) * 0.32, rgb(255, 232, 176), depth=0.0)
    return p.finish(horizon=edge, ground=(edge + 0.10, 0.94), haze=0.0, indoor=True)
