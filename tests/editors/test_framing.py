"""Cropping: the part lies in the picture, has the shape, and holds what is to stay where there is room."""

from hypothesis import given
from hypothesis import strategies as st

from editors.pictures.framing import framed

SIDES = st.integers(40, 900)
SHAPES = st.sampled_from([1.0, 4 / 3, 3 / 2, 16 / 9, 3 / 4, 2 / 3, 9 / 16])


@st.composite
def pictures(draw):
    width, height = draw(SIDES), draw(SIDES)
    left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    keep = left, top, draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return (width, height), keep


@given(pictures(), SHAPES)
def test_a_part_lies_in_the_picture_and_has_the_shape(picture, shape):
    size, keep = picture
    for kept in (keep, None):
        left, top, right, bottom = framed(size, keep=kept, shape=shape)
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]
        width, height = right - left, bottom - top
        assert abs(width - height * shape) <= 1 + shape
        wanted = max(kept[2] - kept[0], (kept[3] - kept[1]) * shape) if kept else 0
        if kept and wanted <= min(size[0], size[1] * shape) - 1:  # there is room for all of it
            assert left <= kept[0] + 1 and top <= kept[1] + 1
            assert right >= kept[2] - 1 and bottom >= kept[3] - 1


@given(pictures())
def test_without_a_shape_it_is_what_is_to_stay(picture):
    size, keep = picture
    assert framed(size, keep=keep) == keep and framed(size) == (0, 0, *size)


@given(SIDES, SIDES, SHAPES)
def test_of_all_it_is_the_largest_that_there_is_room_for(width, height, shape):
    left, top, right, bottom = framed((width, height), shape=shape)
    assert right - left >= width - 1 or bottom - top >= height - 1
    assert abs((left + right) - width) <= 2 and abs((top + bottom) - height) <= 2
