"""What a picture is cropped to, or extended by, for a shape that is asked for.

Laws: the part that is cropped to lies in the picture, has the shape, to a pixel, and holds what is to stay
wherever there is room for it; a picture and its margins have the shape, to a pixel.
"""

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels, the last two outside of it."""

Margins = tuple[int, int, int, int]
"""(left, top, right, bottom): pixels on each side."""


def framed(size: tuple[int, int], *, keep: Box | None = None, shape: float | None = None) -> Box:
    """Return the part of a picture that it is cropped to.

    Args:
        size: (width, height) of the picture.
        keep: What is to stay; None means all, as far as the shape has room.
        shape: Width by height; None takes that of what is to stay.

    Returns:
        The part: the smallest of the shape around what is to stay, and around the middle of all where nothing
        is named the largest.
    """
    width, height = size
    left, top, right, bottom = keep or (0, 0, width, height)
    if shape is None:
        return left, top, right, bottom
    # Of all, the largest in it; of a part, the smallest around it, as far as the picture goes.
    wide = (
        min(right - left, (bottom - top) * shape)
        if keep is None
        else max(right - left, (bottom - top) * shape)
    )
    wide = min(wide, width, height * shape)
    new = max(1, round(wide)), max(1, round(wide / shape))
    starts = (
        max(0, min(round((low + high - side) / 2), whole - side))
        for low, high, side, whole in zip((left, top), (right, bottom), new, size, strict=True)
    )
    x, y = starts
    return x, y, x + new[0], y + new[1]


def widened(size: tuple[int, int], shape: float) -> Margins:
    """Return what a picture lacks to a shape, on two opposite sides in equal parts.

    Args:
        size: (width, height) of the picture.
        shape: Width by height.
    """
    width, height = size
    wide, high = max(0, round(height * shape) - width), max(0, round(width / shape) - height)
    return wide // 2, high // 2, wide - wide // 2, high - high // 2
