"""Places outdoors: land, water, air and space, as layouts in neutral light.

Law: a painter of a place is a pure function of (seed, size); it knows neither hour nor weather.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from dataset_builder.scenes.backgrounds_props import stand
from dataset_builder.scenes.canvas import (
    Array,
    below,
    choose,
    column,
    disc,
    inside,
    mix,
    rgb,
    ridge,
    smoothstep,
    wavy,
)
from dataset_builder.scenes.layout import Layout, Painter, crumpled, fade_below, slope


def _waterplane(painter: Painter, horizon: float, near: Array, far: Array, mirror: float) -> None:
    """Lay water from the horizon down, rippled."""
    toward = np.clip((painter.yy - horizon) / (1 - horizon), 0, 1)[..., None]
    colour = mix(far, near, toward) + painter.grain("wave", "ripples", 13, horizon)
    edge = np.full(painter.size, horizon, np.float32)
    painter.lay(below(edge, painter.size), colour, depth=painter.distance(horizon), water=mirror)


def _hills(
    painter: Painter, colours: tuple[Array, ...], *, top: float, height: float, step: float, far: float = 0.75
) -> None:
    """Lay rolling hills, one behind the other."""
    size = painter.size
    for index, base in enumerate(colours):
        random = painter.random(f"hill {index}")
        line = ridge(random, top + index * step + 0.02, height * (1 - 0.25 * index), 1.6, size)
        colour = base + painter.grain("fine", f"hill {index}/grass", 13, top)
        colour = colour + (painter.noise("mid", f"hill {index}/patches") * np.float32(7 / 255))[..., None]
        colour = colour - (0.06 * np.clip((painter.yy - line[None, :]) / 0.35, 0, 1))[..., None]
        relief = slope(line) * fade_below(line, 0.25, size) * np.float32(1.6)
        painter.lay(below(line, size), colour, depth=far * (1 - 0.45 * index), flat=0.9, relief=relief)


def beach(seed: int, size: int) -> Layout:
    """Sand in front, the sea behind it with a line of foam."""
    p = Painter("beach", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.36, 0.46)
    shore = horizon + random.uniform(0.12, 0.20)
    x = p.xx[0]
    line = shore + 0.02 * np.sin(x * random.uniform(4, 9) + random.uniform(0, 6.3))
    line = np.asarray(line + random.uniform(-0.06, 0.06) * (x - 0.5), np.float32)
    _waterplane(p, horizon, rgb(74, 186, 200), rgb(24, 98, 164), 0.32)
    sand = mix(rgb(242, 222, 174), rgb(224, 192, 138), np.clip((p.yy - shore) / (1 - shore), 0, 1)[..., None])
    sand = sand + p.grain("fine", "sand", 9, shore) + (p.noise("soft", "dunes") * np.float32(5 / 255))[..., None]
    below_line = p.yy - line[None, :]
    wet = smoothstep(0.10, 0.0, below_line)
    sand = mix(sand, rgb(178, 148, 106), (wet * np.float32(0.55))[..., None])
    p.lay(below(line, size), sand, depth=p.distance(horizon), flat=0.8, water=wet * np.float32(0.10))
    wave = below_line + p.noise("mid", "foam") * np.float32(0.004)
    foam = np.exp(-((wave / 0.009) ** 2)) + 0.6 * np.exp(-(((wave + 0.045) / 0.006) ** 2))
    p.lay(np.clip(foam, 0, 1).astype(np.float32) * np.float32(0.9), rgb(252, 254, 255), depth=p.distance(horizon))
    palms = p.random("palms")
    if palms.random() < 0.45:
        side = palms.uniform(0.02, 0.16) if palms.random() < 0.5 else palms.uniform(0.84, 0.98)
        at = float(line[min(size - 1, int(side * size))])
        stand(p, "palm", palms, x=side, foot=at + 0.06, height=palms.uniform(0.34, 0.46), depth=0.25)
    return p.finish(horizon=horizon, ground=(min(shore + 0.14, 0.8), 0.95), float_range=(horizon + 0.06, shore))


def snow(seed: int, size: int) -> Layout:
    """Snowfields with pines under far blue hills."""
    p = Painter("snow", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.46, 0.56)
    far = ridge(random, horizon + 0.02, random.uniform(0.08, 0.2), 1.0, size)
    hazy = rgb(176, 196, 222) + (p.noise("mid", "far") * np.float32(7 / 255))[..., None]
    p.lay(below(far, size), hazy, depth=0.8, flat=0.5, relief=crumpled(far, p.noise("mid", "far")) * np.float32(0.8))
    for index in range(2):
        bank = p.random(f"bank {index}")
        base = horizon + 0.03 + index * 0.07
        line = wavy(bank, base, 0.03, 3, 7, size)
        for _ in range(int(bank.integers(3, 8)) if index == 0 else int(bank.integers(0, 4))):
            x = bank.uniform(0, 1)
            at = float(line[int(x * (size - 1))]) + 0.015
            height = bank.uniform(0.11, 0.2) * (1 + index * 0.7)
            stand(p, "pine", bank, x=x, foot=at, height=height, depth=0.6 - 0.25 * index)
        white = mix(rgb(218, 230, 246), rgb(250, 252, 255), np.clip((p.yy - base) / 0.4, 0, 1)[..., None])
        white = white + (p.noise("soft", f"drifts {index}") * np.float32(7 / 255))[..., None]
        relief = slope(line) * fade_below(line, 0.3, size) * np.float32(0.7)
        p.lay(below(line, size), white, depth=p.distance(horizon) * 0.8, flat=0.5, relief=relief)
    return p.finish(horizon=horizon, ground=(horizon + 0.22, 0.95))


def desert(seed: int, size: int) -> Layout:
    """Dunes with sharp crests and some cacti."""
    p = Painter("desert", seed, size)
    horizon = p.random("lines").uniform(0.42, 0.54)
    ripples = np.sin((p.yy * 90 + p.noise("soft", "ripples") * np.float32(1.2)) * 2) * np.float32(3 / 255)
    for index in range(3):
        random = p.random(f"dune {index}")
        line = wavy(random, horizon + index * 0.11, 0.05, 2.5, 6, size) - np.float32(0.02) * np.sin(
            p.xx[0] * np.float32(random.uniform(8, 14)) + np.float32(random.uniform(0, 6.3))
        )
        for _ in range(int(random.integers(0, 3)) if index == 2 else 0):
            x = random.uniform(0, 1)
            at = float(line[int(x * (size - 1))]) + 0.012
            stand(p, "cactus", random, x=x, foot=at, height=random.uniform(0.12, 0.22), depth=0.3)
        colour = mix(rgb(238, 190, 120), rgb(216, 148, 80), index * 0.3) + ripples[..., None]
        colour = colour + p.grain("fine", f"dune {index}/sand", 7, horizon)
        relief = slope(line) * fade_below(line, 0.25, size) * np.float32(2.2)
        p.lay(below(line, size), colour, depth=0.8 - 0.35 * index, flat=0.75, relief=relief)
    return p.finish(horizon=horizon, ground=(horizon + 0.30, 0.95))


def meadow(seed: int, size: int) -> Layout:
    """Green hills with flowers."""
    p = Painter("meadow", seed, size)
    horizon = p.random("lines").uniform(0.46, 0.56)
    greens = (rgb(132, 178, 116), rgb(112, 178, 78), rgb(92, 168, 58))
    _hills(p, greens, top=horizon, height=0.1, step=0.08)
    random = p.random("flowers")
    for _ in range(int(random.integers(25, 60))):
        y, x = random.uniform(horizon + 0.2, 1), random.uniform(0, 1)
        reach = max(1, int((y - horizon) * size / 26))
        colour = choose(random, ((250, 250, 240), (252, 222, 70), (242, 110, 150), (190, 110, 220)))
        petal = np.ones((reach, reach), np.float32)
        p.stamp(colour, petal, x=x, foot=y, depth=float((1 - (y - horizon)) ** 3), flat=0.5)
    return p.finish(horizon=horizon, ground=(horizon + 0.24, 0.95))


def mountains(seed: int, size: int) -> Layout:
    """Two chains of rock with snow on the peaks, and meadows before them."""
    p = Painter("mountains", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.56, 0.64)
    for index in range(2):
        chain = p.random(f"chain {index}")
        line = ridge(chain, horizon - 0.02 + index * 0.02, chain.uniform(0.32, 0.44) * (1 - 0.45 * index), 0.95, size)
        rough = p.noise("mid", f"chain {index}/rock")
        rock = mix(rgb(118, 130, 158), rgb(88, 102, 110), float(index)) + (rough * np.float32(10 / 255))[..., None]
        cap = smoothstep(0.11, 0.03, p.yy - line[None, :] + rough * np.float32(0.02))
        cap = cap * (p.yy < horizon - 0.12 + 0.04 * index)
        rock = mix(rock, rgb(246, 249, 255), cap[..., None])
        relief = crumpled(line, rough) * np.float32(0.7) + rough * np.float32(0.12)
        p.lay(below(line, size), rock, depth=0.85 - 0.2 * index, flat=0.3, relief=relief)
    _hills(p, (rgb(96, 144, 78), rgb(106, 160, 72)), top=horizon, height=0.05, step=0.08, far=0.5)
    trees = p.random("pines")
    for _ in range(int(trees.integers(3, 8))):
        foot = horizon + trees.uniform(0.03, 0.10)
        stand(p, "pine", trees, x=trees.uniform(0, 1), foot=foot, height=trees.uniform(0.09, 0.17), depth=0.35)
    return p.finish(horizon=horizon, ground=(horizon + 0.18, 0.95))


def _woods(name: str, kinds: tuple[str, ...], floor: tuple[Array, Array], seed: int, size: int) -> Layout:
    """Three rows of trees over a forest floor; the sky shows between the crowns."""
    p = Painter(name, seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.58, 0.66)
    kind = kinds[int(random.integers(len(kinds)))]
    wall = ridge(p.random("wall"), horizon, 0.16, 0.8, size)
    p.lay(below(wall - np.float32(0.16), size), floor[0] * np.float32(0.92), depth=0.9, flat=0.3)
    for index, (count, height, depth) in enumerate(((12, 0.44, 0.85), (9, 0.54, 0.6), (6, 0.70, 0.3))):
        row = p.random(f"row {index}")
        for number in range(count):
            x = (number + row.uniform(0.1, 0.9)) / count
            tall = height * row.uniform(0.8, 1.2)
            stand(p, kind, row, x=x, foot=horizon + 0.03 + 0.035 * index, height=tall, depth=depth)
    line = wavy(p.random("floor"), horizon + 0.015, 0.012, 5, 9, size)
    colour = mix(floor[0], floor[1], np.clip((p.yy - horizon) / 0.35, 0, 1)[..., None])
    colour = colour + p.grain("fine", "floor/litter", 14, horizon)
    colour = colour + (p.noise("mid", "floor/patches") * np.float32(10 / 255))[..., None]
    p.lay(below(line, size), colour, depth=p.distance(horizon) * 0.6, flat=0.8)
    for index in range(int(random.integers(1, 3))):
        row = p.random(f"near {index}")
        x = row.uniform(-0.02, 0.14) if row.random() < 0.5 else row.uniform(0.86, 1.02)
        stand(p, kind, row, x=x, foot=horizon + 0.15, height=row.uniform(0.75, 0.95), depth=0.1)
    return p.finish(horizon=horizon, ground=(horizon + 0.14, 0.95), haze=0.55)


def forest(seed: int, size: int) -> Layout:
    """A green forest: all pines or all broad-leaved trees."""
    return _woods("forest", ("pine", "tree"), (rgb(82, 112, 56), rgb(112, 140, 66)), seed, size)


def autumn_forest(seed: int, size: int) -> Layout:
    """A forest in autumn colours with leaves on the ground."""
    return _woods("autumn forest", ("autumn tree",), (rgb(150, 104, 52), rgb(196, 142, 70)), seed, size)


def lake(seed: int, size: int) -> Layout:
    """A mountain lake that mirrors its far shore, with a grassy bank in front."""
    p = Painter("lake", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.42, 0.50)
    line = ridge(random, horizon - 0.005, random.uniform(0.14, 0.26), 1.1, size)
    hills = rgb(92, 126, 122) + (p.noise("mid", "hills") * np.float32(8 / 255))[..., None]
    p.lay(below(line, size), hills, depth=0.75, flat=0.4, relief=crumpled(line, p.noise("mid", "hills")) * np.float32(0.8))
    trees = p.random("pines")
    for _ in range(int(trees.integers(5, 11))):
        stand(p, "pine", trees, x=trees.uniform(0, 1), foot=horizon + 0.01, height=trees.uniform(0.07, 0.15), depth=0.5)
    _waterplane(p, horizon, rgb(46, 110, 146), rgb(58, 122, 156), 0.5)
    bank = wavy(p.random("bank"), random.uniform(0.78, 0.86), 0.02, 3, 8, size)
    grass = rgb(106, 152, 72) + p.grain("fine", "bank/grass", 16, horizon)
    p.lay(below(bank, size), grass, depth=0.05, flat=0.9)
    return p.finish(horizon=horizon, ground=(0.88, 0.96), float_range=(horizon + 0.10, 0.76))


def sea(seed: int, size: int) -> Layout:
    """Open water to the horizon."""
    p = Painter("sea", seed, size)
    horizon = p.random("lines").uniform(0.36, 0.50)
    _waterplane(p, horizon, rgb(22, 84, 140), rgb(52, 124, 176), 0.34)
    toward = np.clip((p.yy - horizon) / (1 - horizon), 0, 1)
    crests = smoothstep(1.35, 2.2, p.noise("wave", "crests")) * toward * np.float32(0.75)
    p.lay(np.asarray(crests, np.float32), rgb(232, 244, 250), depth=p.distance(horizon))
    return p.finish(horizon=horizon, ground=(horizon + 0.25, 0.92), float_range=(horizon + 0.2, 0.92))


def farm(seed: int, size: int) -> Layout:
    """A ploughed field in perspective, a farm house and trees."""
    p = Painter("farm", seed, size)
    random = p.random("field")
    horizon = random.uniform(0.46, 0.54)
    _hills(p, (rgb(122, 162, 94),), top=horizon - 0.02, height=0.07, step=0.0)
    near = np.clip((p.yy - np.float32(horizon)) / np.float32(1 - horizon), 1e-3, 1)
    across = (p.xx - np.float32(random.uniform(0.3, 0.7))) / (np.float32(0.12) + near)
    rows = smoothstep(-0.3, 0.3, np.sin(across * np.float32(30)))
    pairs = (
        (rgb(190, 152, 78), rgb(234, 204, 112)),
        (rgb(116, 84, 56), rgb(104, 160, 64)),
        (rgb(92, 140, 56), rgb(142, 188, 82)),
    )
    furrow, crop = pairs[int(random.integers(3))]
    colour = mix(furrow, crop, rows[..., None]) + p.grain("fine", "field/soil", 12, horizon)
    edge = np.full(size, horizon, np.float32)
    relief = np.cos(across * np.float32(30)) * np.float32(0.35)
    p.lay(below(edge, size), colour, depth=p.distance(horizon) * 0.6, flat=0.8, relief=relief)
    things = p.random("house")
    place = things.uniform(0.12, 0.88)
    stand(p, "house", things, x=place, foot=horizon + 0.025, height=things.uniform(0.13, 0.2), depth=0.35)
    for _ in range(int(things.integers(2, 5))):
        stand(p, "tree", things, x=things.uniform(0, 1), foot=horizon + 0.02, height=things.uniform(0.1, 0.18), depth=0.4)
    return p.finish(horizon=horizon, ground=(horizon + 0.24, 0.95))


def garden(seed: int, size: int) -> Layout:
    """A lawn between a hedge and flower beds."""
    p = Painter("garden", seed, size)
    horizon = p.random("lines").uniform(0.46, 0.54)
    back = p.random("trees")
    for _ in range(int(back.integers(3, 6))):
        stand(p, "tree", back, x=back.uniform(0, 1), foot=horizon + 0.02, height=back.uniform(0.26, 0.42), depth=0.55)
    fence = (np.sin(p.xx * np.float32(2 * np.pi * 17)) > -0.55).astype(np.float32) * np.float32(0.9)
    rails = np.broadcast_to(fence, (size, size)) * (np.abs(p.yy - np.float32(horizon)) < 0.055)
    p.lay(np.asarray(rails, np.float32), rgb(238, 234, 224), depth=0.4, flat=0.2)
    lawn = rgb(108, 176, 74) + p.grain("fine", "lawn", 14, horizon)
    stripes = np.sin((p.xx - np.float32(0.5)) / (np.float32(0.25) + p.yy - np.float32(horizon)) * 14) * np.float32(0.02)
    edge = np.full(size, horizon + 0.045, np.float32)
    p.lay(below(edge, size), lawn + stripes[..., None], depth=p.distance(horizon) * 0.4, flat=0.9)
    beds = p.random("beds")
    for _ in range(int(beds.integers(5, 9))):
        x = beds.uniform(0, 1)
        stand(p, "bush", beds, x=x, foot=horizon + beds.uniform(0.05, 0.10), height=beds.uniform(0.08, 0.14), depth=0.3)
    return p.finish(horizon=horizon, ground=(horizon + 0.22, 0.95))


def clouds(seed: int, size: int) -> Layout:
    """High in the air over a floor of clouds."""
    p = Painter("clouds", seed, size)
    for index, (level, depth) in enumerate(((0.72, 0.75), (0.82, 0.45), (0.93, 0.2))):
        random = p.random(f"bank {index}")
        line = level - np.abs(np.sin(p.xx[0] * random.uniform(5, 9) + random.uniform(0, 6.3))) * 0.05
        line = line - np.abs(np.sin(p.xx[0] * random.uniform(13, 22) + random.uniform(0, 6.3))) * 0.03
        line = np.asarray(line, np.float32)
        puff = p.noise("soft", f"bank {index}/puffs") * np.float32(0.035)
        white = rgb(250, 251, 254) - (np.clip((p.yy - line[None, :]) / 0.3, 0, 1) * np.float32(0.14) - puff)[..., None]
        soft = smoothstep(-0.012, 0.02, p.yy - line[None, :])
        p.lay(soft, white, depth=depth, relief=slope(line) * fade_below(line, 0.1, size) * np.float32(0.4))
    return p.finish(horizon=0.72, ground=(0.5, 0.9))


def _starfield(painter: Painter) -> None:
    """Lay black space with two nebulae and stars over the whole picture."""
    random = painter.random("nebula")
    pairs = (
        (rgb(70, 30, 110), rgb(20, 60, 140)),
        (rgb(120, 30, 80), rgb(40, 30, 110)),
        (rgb(10, 80, 110), rgb(40, 30, 90)),
        (rgb(110, 60, 30), rgb(60, 20, 80)),
    )
    first, second = pairs[int(random.integers(4))]
    clouds_one = np.clip(painter.noise("soft", "nebula 0"), 0, 3)[..., None] * first * np.float32(0.42)
    clouds_two = np.clip(painter.noise("soft", "nebula 1"), 0, 3)[..., None] * second * np.float32(0.42)
    image = np.asarray(rgb(6, 7, 20) + clouds_one + clouds_two, np.float32)
    size = painter.size
    for _ in range(90):
        row, col = random.integers(0, size - 2, 2)
        value = np.float32(random.random() ** 3 * 0.85 + 0.15)
        reach = max(1, size // 128) + int(value > 0.6)
        spot = image[row : row + reach, col : col + reach]
        np.maximum(spot, value, out=spot)
    painter.lay(np.ones((size, size), np.float32), image, depth=0.0)


def _planet(painter: Painter) -> None:
    """Hang a banded planet, lit from the upper left, into the sky."""
    random = painter.random("planet")
    size = painter.size
    x, y, radius = random.uniform(0.1, 0.9), random.uniform(0.1, 0.35), random.uniform(0.08, 0.15)
    colour = choose(random, ((224, 152, 90), (110, 172, 224), (206, 90, 80), (150, 204, 152)))
    lit = np.clip(0.3 - 0.7 * ((painter.xx - np.float32(x)) + (painter.yy - np.float32(y))) / radius, 0.08, 1)
    bands = (painter.noise("wave", "planet/bands") * np.float32(14 / 255))[..., None]
    painter.lay(disc(x, y, radius, size), np.asarray((colour + bands) * lit[..., None], np.float32), depth=0.0)
    if random.random() < 0.4:
        around = np.hypot(painter.xx - np.float32(x), (painter.yy - np.float32(y)) * 4 + (painter.xx - np.float32(x)))
        ring = np.exp(-(((around - np.float32(radius * 1.6)) / np.float32(radius * 0.16)) ** 2)) * np.float32(0.7)
        behind = disc(x, y, radius, size) * (painter.yy + (painter.xx - np.float32(x)) * 0.25 < y)
        painter.lay(np.asarray(ring * (1 - behind), np.float32), rgb(230, 214, 180), depth=0.0)


def space(seed: int, size: int) -> Layout:
    """Outer space with a planet."""
    p = Painter("space", seed, size)
    _starfield(p)
    _planet(p)
    return p.finish(horizon=0.6, ground=(0.45, 0.85), haze=0.0)


def moon(seed: int, size: int) -> Layout:
    """Grey, cratered ground under the stars."""
    p = Painter("moon", seed, size)
    _starfield(p)
    _planet(p)
    random = p.random("ground")
    horizon = random.uniform(0.56, 0.66)
    line = wavy(random, horizon, 0.03, 2, 4, size)
    ground = rgb(166, 166, 172) + (p.noise("mid", "dust") * np.float32(12 / 255))[..., None]
    ground = ground + p.grain("fine", "grit", 12, horizon)
    for _ in range(int(random.integers(4, 9))):
        y, x = random.uniform(horizon + 0.05, 1), random.uniform(0, 1)
        radius = (y - horizon) * random.uniform(0.14, 0.36) + 0.015
        away = np.hypot((p.xx - np.float32(x)) / radius, (p.yy - np.float32(y)) / (radius * 0.38))
        rim = np.exp(-(((away - 1.05) / 0.14) ** 2)) * np.float32(0.12)
        ground = ground - (smoothstep(1.0, 0.8, away) * np.float32(0.20) - rim)[..., None]
    p.lay(below(line, size), ground, depth=0.0, flat=0.3)
    return p.finish(horizon=horizon, ground=(horizon + 0.16, 0.95), haze=0.0)


def underwater(seed: int, size: int) -> Layout:
    """Blue water with rays of light, weeds, bubbles and a sandy floor."""
    p = Painter("underwater", seed, size)
    random = p.random("rays")
    water = column(((0.0, rgb(104, 206, 228)), (0.5, rgb(30, 132, 186)), (1.0, rgb(12, 66, 120))), p.yy)
    slant, width, phase = random.uniform(-0.5, 0.5), random.uniform(16, 26), random.uniform(0, 6.3)
    beams = np.sin((p.xx + p.yy * np.float32(slant)) * np.float32(width) + p.noise("soft", "rays") * 0.6 + phase)
    rays = np.clip(beams, 0, 1) ** 3 * np.exp(-p.yy / 0.45)
    p.lay(np.ones((size, size), np.float32), water + rays[..., None] * rgb(54, 60, 48), depth=0.0)
    floor = random.uniform(0.80, 0.87)
    line = wavy(random, floor, 0.025, 4, 9, size)
    sand = mix(rgb(176, 180, 146), rgb(30, 110, 150), 0.35) + (p.noise("mid", "sand") * np.float32(9 / 255))[..., None]
    p.lay(below(line, size), np.asarray(sand, np.float32), depth=0.0)
    _weeds_and_bubbles(p, floor)
    return p.finish(horizon=floor, ground=(0.5, 0.92), float_range=(0.5, 0.85), haze=0.0)


def _weeds_and_bubbles(painter: Painter, floor: float) -> None:
    """Draw swaying weeds on the floor and rings of bubbles."""
    random = painter.random("weeds")
    size = painter.size
    layer = Image.new("RGBA", (size, size))
    draw = ImageDraw.Draw(layer)
    for _ in range(int(random.integers(3, 8))):
        x, height, phase = random.uniform(0, 1), random.uniform(0.1, 0.32), random.uniform(0, 6.3)
        colour = ((40, 124, 72), (30, 104, 92), (154, 62, 92), (92, 134, 52))[int(random.integers(4))]
        for blade in range(int(random.integers(2, 5))):
            reach = height * random.uniform(0.6, 1)
            steps = np.linspace(0, reach, 10)
            sway = np.sin(steps * 24 + phase + blade) * 0.02
            points = [
                ((x + blade * 0.028 + float(dx)) * size, (floor + 0.04 - float(dy)) * size)
                for dx, dy in zip(sway, steps, strict=True)
            ]
            draw.line(points, fill=(*colour, 255), width=max(1, round(size * 0.02)), joint="curve")
    for _ in range(int(random.integers(6, 16))):
        x, y, r = random.uniform(0, size), random.uniform(0, floor * size), random.uniform(0.008, 0.024) * size
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(206, 242, 250, 220), width=max(1, size // 128))
    picture = np.asarray(layer, np.float32) / np.float32(255)
    painter.lay(picture[..., 3], picture[..., :3], depth=0.0)


def island(seed: int, size: int) -> Layout:
    """A sandy island with palms in a turquoise sea."""
    p = Painter("island", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.36, 0.46)
    _waterplane(p, horizon, rgb(80, 204, 208), rgb(20, 110, 176), 0.28)
    top = random.uniform(0.66, 0.72)
    away = ((p.xx - np.float32(0.5)) / np.float32(0.62)) ** 2 + ((p.yy - np.float32(top + 0.28)) / np.float32(0.26)) ** 2
    shape = np.sqrt(away) - 1
    p.lay(inside(np.asarray((shape - 0.10) * 0.25, np.float32), size) * np.float32(0.8), rgb(170, 232, 226), depth=0.1)
    sand = rgb(242, 222, 170) + p.grain("fine", "sand", 10, horizon)
    p.lay(inside(np.asarray(shape * 0.25, np.float32), size), sand, depth=0.05, flat=0.8)
    palms = p.random("palms")
    for side in (0.16, 0.84):
        x = side + palms.uniform(-0.06, 0.06)
        stand(p, "palm", palms, x=x, foot=top + 0.17, height=palms.uniform(0.4, 0.56), depth=0.08)
    return p.finish(horizon=horizon, ground=(0.82, 0.94), float_range=(horizon + 0.08, 0.64))


def canyon(seed: int, size: int) -> Layout:
    """Red rock with layered walls on both sides."""
    p = Painter("canyon", seed, size)
    horizon = p.random("lines").uniform(0.56, 0.62)
    layers = np.sin(p.yy * 70 + p.noise("soft", "layers") * np.float32(1.2)) * np.float32(0.045)
    for index, (height, depth) in enumerate(((0.26, 0.8), (0.40, 0.5), (0.56, 0.25))):
        random = p.random(f"wall {index}")
        away = np.abs(p.xx[0] - random.uniform(0.4, 0.6)) * 2
        opening = smoothstep(0.15 + 0.2 * index, 0.45 + 0.22 * index, away)
        steps = np.round(ridge(random, 0.0, 0.12, 0.9, size) * 30) / 30
        line = np.asarray(horizon + 0.02 - opening * height + steps * opening, np.float32)
        rock = mix(rgb(206, 128, 92), rgb(186, 92, 58), index * 0.5) + layers[..., None]
        rock = rock + (p.noise("mid", f"wall {index}/rock") * np.float32(9 / 255))[..., None]
        side = np.where(p.xx < 0.5, 0.35, -0.35) * np.ones((size, 1), np.float32)
        p.lay(below(line, size), rock, depth=depth, flat=0.25, relief=np.asarray(side, np.float32))
    floor = rgb(214, 146, 98) + p.grain("fine", "floor", 14, horizon)
    p.lay(below(wavy(p.random("floor"), horizon + 0.03, 0.012, 4, 9, size), size), floor, depth=p.distance(horizon) * 0.5, flat=0.8)
    return p.finish(horizon=horizon, ground=(horizon + 0.16, 0.95))
