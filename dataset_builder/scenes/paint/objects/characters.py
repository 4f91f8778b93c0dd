"""Characters: the drawing of a head on a generated body, so that hats, glasses and scarves have exact places.

The figure lives on a fixed canvas in units of the figure's own height; chin, neck, shoulders and feet never
move. An accessory therefore changes only the pixels it covers.

Law: the canvas and the pose do not depend on what is worn: adding or removing it leaves every other pixel as
it was.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from dataset_builder.scenes.paint.objects.recolour import dominant_colour, recolour
from dataset_builder.scenes.paint.objects.sprites import (
    Pixels,
    accessory_master,
    master_size_for,
    noun_master,
    overlay,
    rgba_image,
    rgba_pixels,
    scaled,
)
from dataset_builder.scenes.scene import Worn
from dataset_builder.scenes.vocabulary import ACCESSORIES, SHIRT_COLOURS, Noun

# The figure's canvas in units: 190 wide, 236 high; the head's box ends at the chin, the feet stand on the
# last row.
WIDTH, HEIGHT = 190, 236
CHIN, HEAD, CENTRE = 154.0, 112.0, 95.0
HEAD_ROOM = CHIN - HEAD  # left for hats above the head
FIGURE_HEIGHT = HEIGHT - HEAD_ROOM  # from the crown of the head to the feet


def _shaded(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], tone: float, scale: float
) -> None:
    """Draw an ellipse of a luminance that brightens towards the upper left."""
    left, top, right, bottom = (value * scale for value in box)
    steps = 10
    for step in range(steps):
        t = step / steps
        half_width, half_height = (right - left) * (1 - t) / 2, (bottom - top) * (1 - t) / 2
        x, y = (left + right) / 2 - (right - left) * 0.10 * t, (top + bottom) / 2 - (bottom - top) * 0.14 * t
        value = min(255, round(190 * tone * (0.80 + 0.28 * t)))
        draw.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=(value, 255))


@lru_cache(maxsize=32)
def _body_part(part: str, size: int) -> tuple[Pixels, Pixels]:
    """Return tone and coverage ``(h, w)`` of a part of the body, drawn at twice the size and averaged."""
    scale = size / HEIGHT
    big = Image.new("LA", (2 * round(WIDTH * scale), 2 * size))
    draw = ImageDraw.Draw(big)
    foot, neck, c = HEIGHT - 3.0, CHIN - 16, CENTRE
    if part == "limbs":
        for side in (-1, 1):
            x = c + side * 19
            _shaded(draw, (x - 17, foot - 26, x + 17, foot), 0.86, 2 * scale)
            x = c + side * 38
            _shaded(draw, (x - 12, neck + 20, x + 12, neck + 64), 0.92, 2 * scale)
    elif part == "torso":
        _shaded(draw, (c - 35, neck, c + 35, foot - 7), 1.0, 2 * scale)
    elif part == "belly":
        _shaded(draw, (c - 21, neck + 26, c + 21, foot - 14), 1.0, 2 * scale)
    elif part == "sleeves":
        for side in (-1, 1):
            x = c + side * 37
            _shaded(draw, (x - 13, neck + 15, x + 13, neck + 44), 0.92, 2 * scale)
    small = np.asarray(big.resize((big.width // 2, size), Image.Resampling.BOX), np.float32)
    return small[..., 0] * (1 / 190), small[..., 1] * (1 / 255)


def _paint(canvas: Pixels, part: str, colour: tuple[float, float, float]) -> None:
    """Lay one part of the body, in a colour, over the canvas ``(h, w, 4)``."""
    tone, cover = _body_part(part, canvas.shape[0])
    # the box filter averaged tone over uncovered pixels too: divide it out at the edges
    unmixed = tone / np.maximum(cover, 0.05)
    painted = np.clip(unmixed[..., None] * np.array(colour, np.float32), 0, 1)
    canvas[..., :3] += (painted - canvas[..., :3]) * cover[..., None]
    canvas[..., 3] += (1 - canvas[..., 3]) * cover


def _fine_layer(canvas: Image.Image) -> tuple[Image.Image, int]:
    """Return an empty layer fine enough to draw small things on, and how many of its pixels make one."""
    over = max(2, -(-HEIGHT // canvas.height))
    return Image.new("RGBA", (canvas.width * over, canvas.height * over)), over


def _scarf(canvas: Image.Image, colour: str, scale: float) -> None:
    """Draw a scarf round the neck with one hanging end."""
    base = SHIRT_COLOURS[colour]
    layer, over = _fine_layer(canvas)
    draw = ImageDraw.Draw(layer)
    k, c = over * scale, CENTRE
    shade = [(*(round(value * tone) for value in base), 255) for tone in (0.68, 0.84, 1.0)]
    draw.rounded_rectangle((k * (c + 9), k * (CHIN - 4), k * (c + 31), k * (CHIN + 50)), 6 * k, fill=shade[1])
    for stripe in range(4):
        x = c + 12 + 5 * stripe
        draw.line((k * x, k * (CHIN + 40), k * x, k * (CHIN + 52)), fill=shade[0], width=max(1, round(2 * k)))
    draw.rounded_rectangle(
        (k * (c - 42), k * (CHIN - 14), k * (c + 42), k * (CHIN + 12)), 12 * k, fill=shade[2]
    )
    draw.rounded_rectangle(
        (k * (c - 40), k * (CHIN + 2), k * (c + 40), k * (CHIN + 10)), 5 * k, fill=shade[1]
    )
    canvas.alpha_composite(layer.resize(canvas.size, Image.Resampling.BOX))


def _spectacles(canvas: Image.Image, dark: bool, eye_y: float, width: float, scale: float) -> None:
    """Draw glasses, or sunglasses, across the eyes."""
    layer, over = _fine_layer(canvas)
    draw = ImageDraw.Draw(layer)
    k, c, lens = over * scale, CENTRE, width * 0.40
    frame = (24, 24, 30, 255) if dark else (40, 36, 44, 255)
    pane = (20, 22, 30, 235) if dark else (214, 236, 250, 120)
    height = lens * (0.80 if dark else 0.92)
    for side in (-1, 1):
        x = c + side * (width * 0.27)
        box = (k * (x - lens / 2), k * (eye_y - height / 2), k * (x + lens / 2), k * (eye_y + height / 2))
        draw.rounded_rectangle(
            box, lens * (0.30 if dark else 0.46) * k, fill=pane, outline=frame, width=round(5.0 * k)
        )
        shine = (
            k * (x - lens * 0.28),
            k * (eye_y + height * 0.08),
            k * (x - lens * 0.02),
            k * (eye_y - height * 0.26),
        )
        draw.line(shine, fill=(255, 255, 255, 150), width=max(1, round(2.6 * k)))
        end = c + side * width * 0.5
        draw.line(
            (k * (x + side * lens / 2), k * eye_y, k * end, k * (eye_y - 4)), fill=frame, width=round(4.5 * k)
        )
    draw.line(
        (k * (c - width * 0.08), k * eye_y, k * (c + width * 0.08), k * eye_y),
        fill=frame,
        width=round(5.5 * k),
    )
    canvas.alpha_composite(layer.resize(canvas.size, Image.Resampling.BOX))


def _headphones(canvas: Image.Image, top: float, width: float, scale: float) -> None:
    """Draw headphones: a band over the head and a cushion on each side."""
    layer, over = _fine_layer(canvas)
    draw = ImageDraw.Draw(layer)
    k, c = over * scale, CENTRE
    band, cushion, rim = (52, 54, 64, 255), (216, 62, 60, 255), (150, 30, 34, 255)
    ear = CHIN - HEAD * 0.45
    draw.arc(
        (k * (c - width / 2), k * (top - 10), k * (c + width / 2), k * (2 * ear - top + 10)),
        180,
        360,
        band,
        round(9 * k),
    )
    for side in (-1, 1):
        x = c + side * width * 0.5
        box = (k * (x - 12), k * (ear - 22), k * (x + 12), k * (ear + 22))
        draw.rounded_rectangle(box, 10 * k, fill=cushion, outline=rim, width=round(3 * k))
    canvas.alpha_composite(layer.resize(canvas.size, Image.Resampling.BOX))


def _bow_tie(canvas: Image.Image, colour: str, scale: float) -> None:
    """Draw a bow tie under the chin."""
    base = SHIRT_COLOURS[colour]
    layer, over = _fine_layer(canvas)
    draw = ImageDraw.Draw(layer)
    k, c, y = over * scale, CENTRE, CHIN + 8
    dark, light = ((*(round(value * tone) for value in base), 255) for tone in (0.66, 1.0))
    for side in (-1, 1):
        wing = [(c, y - 5), (c + side * 32, y - 18), (c + side * 32, y + 18), (c, y + 5)]
        draw.polygon([(k * px, k * py) for px, py in wing], fill=light, outline=dark, width=round(3 * k))
    draw.rounded_rectangle((k * (c - 8), k * (y - 9), k * (c + 8), k * (y + 9)), 4 * k, fill=dark)
    canvas.alpha_composite(layer.resize(canvas.size, Image.Resampling.BOX))


def _wear(
    canvas: Image.Image, worn: Worn, noun: Noun, artwork: str, head: tuple[float, float], scale: float
) -> None:
    """Put one accessory on; `head` is the width and height of the head in units."""
    entry = ACCESSORIES[worn.name]
    width, height = head
    top = CHIN - height
    if worn.name == "scarf":
        _scarf(canvas, worn.colour or "red", scale)
    elif worn.name == "bow tie":
        _bow_tie(canvas, worn.colour or "red", scale)
    elif entry.place == "eyes":
        _spectacles(canvas, worn.name == "sunglasses", top + height * noun.eyes, width * entry.width, scale)
    elif entry.place == "ears":
        _headphones(canvas, top, width * 0.98, scale)
    else:
        master = accessory_master(worn.name, artwork, master_size_for(width * scale))
        hat = scaled(master, width * entry.width * scale / master.width)
        if worn.colour:
            hat = rgba_image(recolour(rgba_pixels(hat), worn.colour))
        brim = (top + height * noun.hat) * scale
        overlay(canvas, hat, CENTRE * scale - hat.width / 2, max(0.0, brim - hat.height))


def figure(
    noun: Noun,
    depiction: str,
    *,
    pixels_high: int,
    colour: str | None = None,
    shirt: str | None = None,
    worn: tuple[Worn, ...] = (),
) -> Pixels:
    """Draw a character.

    Args:
        noun: Who it is.
        depiction: `<artwork set>:head`.
        pixels_high: Height of the canvas in pixels; the figure without a hat fills `FIGURE_HEIGHT / HEIGHT`
            of it.
        colour: Another colour for head and body.
        shirt: Colour of a shirt, or none.
        worn: Accessories.

    Returns:
        ``(pixels_high, w, 4)`` in [0, 1]; the feet stand on the last row, in the middle.
    """
    scale = pixels_high / HEIGHT
    artwork = depiction.partition(":")[0]
    master = noun_master(noun, depiction, master_size_for(HEAD * scale))
    head = scaled(master, min(HEAD / master.width, HEAD / master.height) * scale)
    skin = dominant_colour(master)
    if colour:
        coloured = rgba_image(recolour(rgba_pixels(head), colour))
        head, skin = coloured, dominant_colour(coloured)
    body = np.zeros((pixels_high, round(WIDTH * scale), 4), np.float32)
    _paint(body, "limbs", skin)
    if shirt:
        red, green, blue = SHIRT_COLOURS[shirt]
        cloth = (red / 255, green / 255, blue / 255)
        _paint(body, "sleeves", cloth)
        _paint(body, "torso", cloth)
    else:
        _paint(body, "torso", skin)
        _paint(
            body,
            "belly",
            (
                min(1.0, skin[0] * 1.18 + 0.07),
                min(1.0, skin[1] * 1.18 + 0.07),
                min(1.0, skin[2] * 1.18 + 0.07),
            ),
        )
    canvas = rgba_image(body)
    for item in worn:
        if ACCESSORIES[item.name].place == "neck":
            _wear(canvas, item, noun, artwork, (head.width / scale, head.height / scale), scale)
    overlay(canvas, head, CENTRE * scale - head.width / 2, CHIN * scale - head.height)
    for item in worn:
        if ACCESSORIES[item.name].place != "neck":
            _wear(canvas, item, noun, artwork, (head.width / scale, head.height / scale), scale)
    return rgba_pixels(canvas)
