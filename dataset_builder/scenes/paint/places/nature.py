"""Places on land, outdoors, as layouts in neutral light.

Law: a painter of a place is a pure function of (seed, size); it knows neither hour nor weather.
"""

from __future__ import annotations

import numpy as np

from dataset_builder.scenes.paint.canvas import Array, below, choose_colour, mix, rgb, ridge, smoothstep, wavy
from dataset_builder.scenes.paint.layout import Layout, Painter, crumpled, fade_below, slope
from dataset_builder.scenes.paint.places.props import stand


def _hills(
    painter: Painter, colours: tuple[Array, ...], *, top: float, height: float, step: float, far: float = 0.75
) -> None:
    """Lay rolling hills, one behind the other."""
    size = painter.size
    for index, base in enumerate(colours):
        random = painter.random(f"hill {index}")
        line = ridge(random, top + index * step + 0.02, height * (1 - 0.25 * index), 1.6, size)
        colour = base + painter.grain("fine", f"hill {index}/grass", 13, top)
        colour = colour + (painter.noise("mid", f"hill {index}/patches") * (7 / 255.0))[..., None]
        colour = colour - (0.06 * np.clip((painter.yy - line[None, :]) / 0.35, 0, 1))[..., None]
        relief = slope(line) * fade_below(line, 0.25, size) * 1.6
        painter.lay(below(line, size), colour, depth=far * (1 - 0.45 * index), flat=0.9, relief=relief)


def snow(seed: int, size: int) -> Layout:
    """Snowfields with pines under far blue hills."""
    p = Painter("snow", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.46, 0.56)
    far = ridge(random, horizon + 0.02, random.uniform(0.08, 0.2), 1.0, size)
    hazy = rgb(176, 196, 222) + (p.noise("mid", "far") * (7 / 255.0))[..., None]
    p.lay(
        below(far, size),
        hazy,
        depth=0.8,
        flat=0.5,
        relief=crumpled(far, p.noise("soft", "far/folds")) * 0.8,
    )
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
        white = white + (p.noise("soft", f"drifts {index}") * (7 / 255.0))[..., None]
        relief = slope(line) * fade_below(line, 0.3, size) * 0.7
        p.lay(below(line, size), white, depth=p.distance(horizon) * 0.8, flat=0.5, relief=relief)
    return p.finish(horizon=horizon, ground=(horizon + 0.22, 0.95))


def desert(seed: int, size: int) -> Layout:
    """Dunes with sharp crests and some cacti."""
    p = Painter("desert", seed, size)
    horizon = p.random("lines").uniform(0.42, 0.54)
    ripples = np.sin((p.yy * 90 + p.noise("soft", "ripples") * 1.2) * 2) * (3 / 255.0)
    for index in range(3):
        random = p.random(f"dune {index}")
        line = wavy(random, horizon + index * 0.11, 0.05, 2.5, 6, size) - 0.02 * np.sin(
            p.xx[0] * random.uniform(8, 14) + random.uniform(0, 6.3)
        )
        for _ in range(int(random.integers(0, 3)) if index == 2 else 0):
            x = random.uniform(0, 1)
            at = float(line[int(x * (size - 1))]) + 0.012
            stand(p, "cactus", random, x=x, foot=at, height=random.uniform(0.12, 0.22), depth=0.3)
        colour = mix(rgb(238, 190, 120), rgb(216, 148, 80), index * 0.3) + ripples[..., None]
        colour = colour + p.grain("fine", f"dune {index}/sand", 7, horizon)
        relief = slope(line) * fade_below(line, 0.25, size) * 2.2
        p.lay(below(line, size), colour, depth=0.8 - 0.35 * index, flat=0.75, relief=relief)
    return p.finish(horizon=horizon, ground=(horizon + 0.30, 0.95))


def meadow(seed: int, size: int) -> Layout:
    """Green hills with flowers."""
    p = Painter("meadow", seed, size)
    horizon = p.random("lines").uniform(0.46, 0.56)
    greens = (rgb(132, 178, 116), rgb(112, 178, 78), rgb(92, 168, 58))
    _hills(p, greens, top=horizon, height=0.1, step=0.08)
    random = p.random("flowers")
    colours = np.zeros((size, size, 3), np.float32)
    petals = np.zeros((size, size), np.float32)
    for _ in range(int(random.integers(25, 60))):
        y, x = random.uniform(horizon + 0.2, 0.99), random.uniform(0, 1)
        reach = max(1, round((y - horizon) * size / 26))
        spot = (slice(int(y * size), int(y * size) + reach), slice(int(x * size), int(x * size) + reach))
        colours[spot] = choose_colour(
            random, ((250, 250, 240), (252, 222, 70), (242, 110, 150), (190, 110, 220))
        )
        petals[spot] = 1
    p.lay(petals, colours, depth=p.distance(horizon) * 0.5, flat=0.5)
    return p.finish(horizon=horizon, ground=(horizon + 0.24, 0.95))


def mountains(seed: int, size: int) -> Layout:
    """Two chains of rock with snow on the peaks, and meadows before them."""
    p = Painter("mountains", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.56, 0.64)
    for index in range(2):
        chain = p.random(f"chain {index}")
        line = ridge(
            chain, horizon - 0.02 + index * 0.02, chain.uniform(0.32, 0.44) * (1 - 0.45 * index), 0.95, size
        )
        rough = p.noise("mid", f"chain {index}/rock")
        rock = mix(rgb(118, 130, 158), rgb(88, 102, 110), float(index)) + (rough * (10 / 255.0))[..., None]
        cap = smoothstep(0.11, 0.03, p.yy - line[None, :] + rough * 0.02)
        cap = cap * (p.yy < horizon - 0.12 + 0.04 * index)
        rock = mix(rock, rgb(246, 249, 255), cap[..., None])
        relief = crumpled(line, p.noise("soft", f"chain {index}/folds")) * 0.7 + rough * 0.12
        p.lay(below(line, size), rock, depth=0.85 - 0.2 * index, flat=0.3, relief=relief)
    _hills(p, (rgb(96, 144, 78), rgb(106, 160, 72)), top=horizon, height=0.05, step=0.08, far=0.5)
    trees = p.random("pines")
    for _ in range(int(trees.integers(3, 8))):
        foot = horizon + trees.uniform(0.03, 0.10)
        stand(
            p, "pine", trees, x=trees.uniform(0, 1), foot=foot, height=trees.uniform(0.09, 0.17), depth=0.35
        )
    return p.finish(horizon=horizon, ground=(horizon + 0.18, 0.95))


def _woods(name: str, kinds: tuple[str, ...], floor: tuple[Array, Array], seed: int, size: int) -> Layout:
    """Three rows of trees over a forest floor; the sky shows between the crowns."""
    p = Painter(name, seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.58, 0.66)
    kind = kinds[int(random.integers(len(kinds)))]
    wall = ridge(p.random("wall"), horizon, 0.16, 0.8, size)
    p.lay(below(wall - 0.16, size), floor[0] * 0.92, depth=0.9, flat=0.3)
    for index, (count, height, depth) in enumerate(((12, 0.44, 0.85), (9, 0.54, 0.6), (6, 0.70, 0.3))):
        row = p.random(f"row {index}")
        for number in range(count):
            x = (number + row.uniform(0.1, 0.9)) / count
            tall = height * row.uniform(0.8, 1.2)
            stand(p, kind, row, x=x, foot=horizon + 0.03 + 0.035 * index, height=tall, depth=depth)
    line = wavy(p.random("floor"), horizon + 0.015, 0.012, 5, 9, size)
    colour = mix(floor[0], floor[1], np.clip((p.yy - horizon) / 0.35, 0, 1)[..., None])
    colour = colour + p.grain("fine", "floor/litter", 14, horizon)
    colour = colour + (p.noise("mid", "floor/patches") * (10 / 255.0))[..., None]
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


def farm(seed: int, size: int) -> Layout:
    """A ploughed field in perspective, a farm house and trees."""
    p = Painter("farm", seed, size)
    random = p.random("field")
    horizon = random.uniform(0.46, 0.54)
    _hills(p, (rgb(122, 162, 94),), top=horizon - 0.02, height=0.07, step=0.0)
    near = np.clip((p.yy - horizon) / (1 - horizon), 1e-3, 1)
    across = (p.xx - random.uniform(0.3, 0.7)) / (0.12 + near)
    rows = smoothstep(-0.3, 0.3, np.sin(across * 30))
    pairs = (
        (rgb(190, 152, 78), rgb(234, 204, 112)),
        (rgb(116, 84, 56), rgb(104, 160, 64)),
        (rgb(92, 140, 56), rgb(142, 188, 82)),
    )
    furrow, crop = pairs[int(random.integers(3))]
    colour = mix(furrow, crop, rows[..., None]) + p.grain("fine", "field/soil", 12, horizon)
    edge = np.full(size, horizon, np.float32)
    relief = np.cos(across * 30) * 0.35
    p.lay(below(edge, size), colour, depth=p.distance(horizon) * 0.6, flat=0.8, relief=relief)
    things = p.random("house")
    place = things.uniform(0.12, 0.88)
    stand(p, "house", things, x=place, foot=horizon + 0.025, height=things.uniform(0.13, 0.2), depth=0.35)
    for _ in range(int(things.integers(2, 5))):
        stand(
            p,
            "tree",
            things,
            x=things.uniform(0, 1),
            foot=horizon + 0.02,
            height=things.uniform(0.1, 0.18),
            depth=0.4,
        )
    return p.finish(horizon=horizon, ground=(horizon + 0.24, 0.95))


def garden(seed: int, size: int) -> Layout:
    """A lawn between a hedge and flower beds."""
    p = Painter("garden", seed, size)
    horizon = p.random("lines").uniform(0.46, 0.54)
    back = p.random("trees")
    for _ in range(int(back.integers(3, 6))):
        stand(
            p,
            "tree",
            back,
            x=back.uniform(0, 1),
            foot=horizon + 0.02,
            height=back.uniform(0.26, 0.42),
            depth=0.55,
        )
    fence = (np.sin(p.xx * (2 * np.pi * 17)) > -0.55).astype(np.float32) * 0.9
    rails = np.broadcast_to(fence, (size, size)) * (np.abs(p.yy - horizon) < 0.055)
    p.lay(np.asarray(rails, np.float32), rgb(238, 234, 224), depth=0.4, flat=0.2)
    lawn = rgb(108, 176, 74) + p.grain("fine", "lawn", 14, horizon)
    stripes = np.sin((p.xx - 0.5) / (0.25 + p.yy - horizon) * 14) * 0.02
    edge = np.full(size, horizon + 0.045, np.float32)
    p.lay(below(edge, size), lawn + stripes[..., None], depth=p.distance(horizon) * 0.4, flat=0.9)
    beds = p.random("beds")
    for _ in range(int(beds.integers(5, 9))):
        x = beds.uniform(0, 1)
        stand(
            p,
            "bush",
            beds,
            x=x,
            foot=horizon + beds.uniform(0.05, 0.10),
            height=beds.uniform(0.08, 0.14),
            depth=0.3,
        )
    return p.finish(horizon=horizon, ground=(horizon + 0.22, 0.95))


def canyon(seed: int, size: int) -> Layout:
    """Red rock with layered walls on both sides."""
    p = Painter("canyon", seed, size)
    horizon = p.random("lines").uniform(0.56, 0.62)
    layers = np.asarray(np.sin(p.yy * 70 + p.noise("soft", "layers") * 1.2) * 0.045, np.float32)
    for index, (height, depth) in enumerate(((0.26, 0.8), (0.40, 0.5), (0.56, 0.25))):
        random = p.random(f"wall {index}")
        away = np.abs(p.xx[0] - random.uniform(0.4, 0.6)) * 2
        opening = smoothstep(0.15 + 0.2 * index, 0.45 + 0.22 * index, away)
        steps = np.round(ridge(random, 0.0, 0.12, 0.9, size) * 30) / 30
        line = np.asarray(horizon + 0.02 - opening * height + steps * opening, np.float32)
        rock = mix(rgb(206, 128, 92), rgb(186, 92, 58), index * 0.5) + layers[..., None]
        rock = rock + (p.noise("mid", f"wall {index}/rock") * (9 / 255.0))[..., None]
        side = np.where(p.xx < 0.5, 0.35, -0.35) * np.ones((size, 1), np.float32)
        p.lay(below(line, size), rock, depth=depth, flat=0.25, relief=np.asarray(side, np.float32))
    floor = rgb(214, 146, 98) + p.grain("fine", "floor", 14, horizon)
    p.lay(
        below(wavy(p.random("floor"), horizon + 0.03, 0.012, 4, 9, size), size),
        floor,
        depth=p.distance(horizon) * 0.5,
        flat=0.8,
    )
    return p.finish(horizon=horizon, ground=(horizon + 0.16, 0.95))
