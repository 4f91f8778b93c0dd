"""Places by, on and under the water, as layouts in neutral light.

Law: a painter of a place is a pure function of (seed, size); it knows neither hour nor weather.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from dataset_builder.scenes.paint.canvas import (
    Array,
    below,
    column,
    inside,
    mix,
    rgb,
    ridge,
    smoothstep,
    wavy,
)
from dataset_builder.scenes.paint.layout import Layout, Painter, crumpled
from dataset_builder.scenes.paint.places.props import stand


def _waterplane(painter: Painter, horizon: float, near: Array, far: Array, mirror: float) -> None:
    """Lay water from the horizon down, rippled."""
    toward = np.clip((painter.yy - horizon) / (1 - horizon), 0, 1)[..., None]
    colour = mix(far, near, toward) + painter.grain("wave", "ripples", 13, horizon)
    edge = np.full(painter.size, horizon, np.float32)
    painter.lay(below(edge, painter.size), colour, depth=painter.distance(horizon), water=mirror)


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
    sand = sand + p.grain("fine", "sand", 9, shore) + (p.noise("soft", "dunes") * (5 / 255.0))[..., None]
    below_line = p.yy - line[None, :]
    wet = smoothstep(0.10, 0.0, below_line)
    sand = mix(sand, rgb(178, 148, 106), (wet * 0.55)[..., None])
    p.lay(below(line, size), sand, depth=p.distance(horizon), flat=0.8, water=wet * 0.10)
    wave = below_line + p.noise("mid", "foam") * 0.004
    foam = np.exp(-((wave / 0.009) ** 2)) + 0.6 * np.exp(-(((wave + 0.045) / 0.006) ** 2))
    p.lay(
        np.clip(foam, 0, 1).astype(np.float32) * 0.9,
        rgb(252, 254, 255),
        depth=p.distance(horizon),
    )
    palms = p.random("palms")
    if palms.random() < 0.45:
        side = palms.uniform(0.02, 0.16) if palms.random() < 0.5 else palms.uniform(0.84, 0.98)
        at = float(line[min(size - 1, int(side * size))])
        stand(p, "palm", palms, x=side, foot=at + 0.06, height=palms.uniform(0.34, 0.46), depth=0.25)
    return p.finish(
        horizon=horizon, ground=(min(shore + 0.14, 0.8), 0.95), float_range=(horizon + 0.06, shore)
    )


def lake(seed: int, size: int) -> Layout:
    """A mountain lake that mirrors its far shore, with a grassy bank in front."""
    p = Painter("lake", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.42, 0.50)
    line = ridge(random, horizon - 0.005, random.uniform(0.14, 0.26), 1.1, size)
    hills = rgb(92, 126, 122) + (p.noise("mid", "hills") * (8 / 255.0))[..., None]
    p.lay(
        below(line, size),
        hills,
        depth=0.75,
        flat=0.4,
        relief=crumpled(line, p.noise("soft", "hills/folds")) * 0.8,
    )
    trees = p.random("pines")
    for _ in range(int(trees.integers(5, 11))):
        stand(
            p,
            "pine",
            trees,
            x=trees.uniform(0, 1),
            foot=horizon + 0.01,
            height=trees.uniform(0.07, 0.15),
            depth=0.5,
        )
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
    crests = smoothstep(1.35, 2.2, p.noise("wave", "crests")) * toward * 0.75
    p.lay(np.asarray(crests, np.float32), rgb(232, 244, 250), depth=p.distance(horizon))
    return p.finish(horizon=horizon, ground=(horizon + 0.25, 0.92), float_range=(horizon + 0.2, 0.92))


def island(seed: int, size: int) -> Layout:
    """A sandy island with palms in a turquoise sea."""
    p = Painter("island", seed, size)
    random = p.random("lines")
    horizon = random.uniform(0.36, 0.46)
    _waterplane(p, horizon, rgb(80, 204, 208), rgb(20, 110, 176), 0.28)
    top = random.uniform(0.66, 0.72)
    away = ((p.xx - 0.5) / 0.62) ** 2 + ((p.yy - (top + 0.28)) / 0.26) ** 2
    shape = np.sqrt(away) - 1
    p.lay(
        inside(np.asarray((shape - 0.10) * 0.25, np.float32), size) * 0.8,
        rgb(170, 232, 226),
        depth=0.1,
    )
    sand = rgb(242, 222, 170) + p.grain("fine", "sand", 10, horizon)
    p.lay(inside(np.asarray(shape * 0.25, np.float32), size), sand, depth=0.05, flat=0.8)
    palms = p.random("palms")
    for side in (0.16, 0.84):
        x = side + palms.uniform(-0.06, 0.06)
        stand(p, "palm", palms, x=x, foot=top + 0.17, height=palms.uniform(0.4, 0.56), depth=0.08)
    return p.finish(horizon=horizon, ground=(0.82, 0.94), float_range=(horizon + 0.08, 0.64))


def underwater(seed: int, size: int) -> Layout:
    """Blue water with rays of light, weeds, bubbles and a sandy floor."""
    p = Painter("underwater", seed, size)
    random = p.random("rays")
    water = column(((0.0, rgb(104, 206, 228)), (0.5, rgb(30, 132, 186)), (1.0, rgb(12, 66, 120))), p.yy)
    slant, width, phase = random.uniform(-0.5, 0.5), random.uniform(16, 26), random.uniform(0, 6.3)
    beams = np.sin((p.xx + p.yy * slant) * width + p.noise("soft", "rays") * 0.6 + phase)
    rays = np.clip(beams, 0, 1) ** 3 * np.exp(-p.yy / 0.45)
    p.lay(np.ones((size, size), np.float32), water + rays[..., None] * rgb(54, 60, 48), depth=0.0)
    floor = random.uniform(0.80, 0.87)
    line = wavy(random, floor, 0.025, 4, 9, size)
    sand = (
        mix(rgb(176, 180, 146), rgb(30, 110, 150), 0.35) + (p.noise("mid", "sand") * (9 / 255.0))[..., None]
    )
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
        x, y, r = (
            random.uniform(0, size),
            random.uniform(0, floor * size),
            random.uniform(0.008, 0.024) * size,
        )
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(206, 242, 250, 220), width=max(1, size // 128))
    picture = np.asarray(layer, np.float32) / 255.0
    painter.lay(picture[..., 3], picture[..., :3], depth=0.0)
