import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from editors.errors import InvalidEdit
from editors.images import MAX_PIXELS, composite, read_mask, read_picture, to_image, to_pixels
from tests import tiny

PHOTO = tiny.photo((61, 83))


def saved(tmp_path, image, name="photo.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def sixteen_bit():
    return Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "YCbCr", "RGBA", "LA", "PA", "RGBX", "HSV"])
def test_any_mode_gives_rgb_and_keeps_alpha(mode):
    source = PHOTO.convert("P").convert("PA") if mode == "PA" else PHOTO.convert(mode)
    picture = read_picture("original_image", source)
    assert (picture.image.mode, picture.size) == ("RGB", (61, 83))
    assert picture.with_alpha().mode == ("RGBA" if mode in ("RGBA", "LA", "PA") else "RGB")


def test_opaque_rgb_comes_through_untouched():
    assert np.array_equal(np.asarray(read_picture("original_image", PHOTO).image), np.asarray(PHOTO))


def test_sixteen_bits_keep_their_brightness(tmp_path):
    path = saved(tmp_path, sixteen_bit())
    assert Image.open(path).mode.startswith("I")
    grey = np.asarray(read_picture("original_image", path).image)[..., 0]
    assert np.array_equal(grey, np.asarray(PHOTO.convert("L")))


@pytest.mark.parametrize(
    ("dtype", "factor"), [(np.float32, 1 / 255), (np.float32, 1), (np.int32, 257), (np.int32, 1)]
)
def test_numbers_of_other_depths_keep_their_brightness(dtype, factor):
    grey = np.asarray(PHOTO.convert("L"))
    picture = read_picture(
        "original_image", Image.fromarray((grey.astype(np.float64) * factor).astype(dtype))
    )
    assert np.abs(np.asarray(picture.image)[..., 0].astype(int) - grey).max() <= 1


def test_nan_pixels_become_black():
    values = np.full((20, 20), np.nan, np.float32)
    assert not np.asarray(read_picture("original_image", Image.fromarray(values)).image).any()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_rotation_is_applied_and_forgotten(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker"
    path = saved(tmp_path, PHOTO, "photo.jpg", exif=exif, quality=95)
    picture = read_picture("original_image", path)
    assert picture.size == ((83, 61) if orientation >= 5 else (61, 83))
    assert not picture.image.info and not picture.image.getexif()


def test_transparency_of_a_palette_and_of_one_colour_is_alpha(tmp_path):
    palette = PHOTO.quantize(16)
    path = saved(tmp_path, palette, transparency=palette.getpixel((0, 0)))
    assert read_picture("original_image", path).with_alpha().getchannel("A").getpixel((0, 0)) == 0
    grey = saved(tmp_path, PHOTO.convert("L"), "grey.png", transparency=PHOTO.convert("L").getpixel((0, 0)))
    assert read_picture("original_image", grey).with_alpha().getchannel("A").getpixel((0, 0)) == 0


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    for name in ("a.gif", "a.png", "a.webp"):
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], lossless=True)
        picture = read_picture("original_image", path)
        assert picture.num_frames == 3
        assert picture.image.getpixel((5, 5)) == (255, 0, 0)


def test_colour_profiles_are_applied_and_broken_ones_ignored(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"broken", b""):
        path = saved(tmp_path, PHOTO, icc_profile=profile)
        assert np.array_equal(np.asarray(read_picture("original_image", path).image), np.asarray(PHOTO))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    path = saved(tmp_path, PHOTO.convert("CMYK"), "c.jpg", icc_profile=lab)
    assert read_picture("original_image", path).image.mode == "RGB"


def test_what_is_shown_on_white_comes_back():
    rgba = PHOTO.convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize((61, 83)))
    picture = read_picture("original_image", rgba)
    back = np.asarray(picture.from_white(picture.on_white())).astype(int)
    assert np.array_equal(back[..., 3], np.asarray(rgba)[..., 3])
    solid = back[..., 3] > 128
    assert np.abs(back - np.asarray(rgba).astype(int))[solid].max() <= 2
    hidden = back[..., 3] == 0
    assert np.array_equal(back[hidden], np.asarray(rgba)[hidden])


def png_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + b"\0\0\0\x01IDATx"
    )


def png_bytes():
    held = io.BytesIO()
    PHOTO.save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<html><body>Not found</body></html>", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture"),
        (b"hello", "no picture"),
        (png_bytes()[: len(png_bytes()) // 2], "damaged or cut short"),
        (png_header(20_000, 20_000), "far too many"),
        (png_header(8000, 6000), "48 million"),
        (png_header(1, 1), "from 16"),
        (png_header(20, 4000), "8 to 1"),
        (png_header(4000, 20), "8 to 1"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(InvalidEdit, match=says) as caught:
        read_picture("original_image", path)
    text = str(caught.value)
    assert text.startswith("original_image: ") and text.endswith(".") and "; " in text and "\n" not in text


@pytest.mark.parametrize("name", ["missing.png", ".", "x" * 400 + ".png", "a\nb.png"])
def test_a_path_to_nothing_is_one_sentence(tmp_path, name):
    with pytest.raises(InvalidEdit, match=r"no file|folder") as caught:
        read_picture("original_image", tmp_path / name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("size", [(8, 8), (1, 4000), (16, 200), (8000, 6000)])
def test_sizes_of_pictures_in_memory_are_checked_too(size):
    assert size[0] * size[1] > MAX_PIXELS or min(size) < 16 or max(size) > 8 * min(size)
    with pytest.raises(InvalidEdit):
        read_picture("original_image", Image.new("1", size))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 255), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
)
def test_a_mangled_byte_never_escapes_as_another_error(tmp_path_factory, place, flip, kind):
    held = io.BytesIO()
    PHOTO.save(held, kind)
    content = bytearray(held.getvalue())
    content[place % len(content)] ^= flip
    path = tmp_path_factory.mktemp("mangled") / "photo"
    path.write_bytes(bytes(content))
    try:
        assert read_picture("original_image", path).image.mode == "RGB"
    except InvalidEdit as error:
        assert str(error).endswith(".")


def test_a_mask_must_fit_and_let_something_change():
    with pytest.raises(InvalidEdit, match="32×32 pixels, the picture is 61×83"):
        read_mask("mask", Image.new("L", (32, 32), 255), (61, 83))
    with pytest.raises(InvalidEdit, match="black all over"):
        read_mask("mask", Image.new("L", (61, 83)), (61, 83))


def test_a_transparent_stroke_is_a_mask():
    stroke = Image.new("RGBA", (61, 83), (255, 255, 255, 0))
    stroke.paste((255, 255, 255, 255), (10, 10, 20, 20))
    mask = read_mask("mask", stroke, (61, 83))
    assert mask.sum() == 255 * 100


def test_outside_the_mask_the_original_comes_out_byte_for_byte():
    other = tiny.photo((61, 83), seed=5)
    mask = np.zeros((83, 61), np.uint8)
    mask[20:50, 10:40] = 255
    mask[50:60, 10:40] = 100
    mixed = np.asarray(composite(PHOTO, other, mask))
    assert np.array_equal(mixed[mask == 0], np.asarray(PHOTO)[mask == 0])
    assert np.array_equal(mixed[mask == 255], np.asarray(other)[mask == 255])


def test_pixels_survive_the_way_to_numbers_and_back():
    assert np.array_equal(np.asarray(to_image(to_pixels(PHOTO))), np.asarray(PHOTO))
