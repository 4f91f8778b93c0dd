import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from editors.errors import InvalidEdit
from editors.pictures.images import (
    MAX_PIXELS,
    composite,
    from_white,
    read_mask,
    read_picture,
    to_image,
    to_pixels,
)
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


def tiff(values, **options):
    held = io.BytesIO()
    tifffile.imwrite(held, values, **options)
    return held.getvalue()


GREY = np.asarray(PHOTO.convert("L"))


def raw_with_a_thumbnail():
    """Return a TIFF as cameras write them: a small page first, the large one below it."""
    held = io.BytesIO()
    with tifffile.TiffWriter(held) as writer:
        writer.write(GREY, subfiletype=1, subifds=1)
        writer.write(np.zeros((200, 200), np.uint16))
    return held.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        tiff((GREY / 255).astype(np.float32)),
        tiff(GREY.astype(np.uint16) * 257),
        tiff(65535 - GREY.astype(np.uint16) * 257, photometric="miniswhite"),
        tiff(255 - GREY, photometric="miniswhite"),
    ],
)
def test_numbers_of_other_depths_keep_their_brightness(tmp_path, content):
    path = tmp_path / "grey.tif"
    path.write_bytes(content)
    picture = read_picture("original_image", path)
    assert np.abs(np.asarray(picture.image)[..., 0].astype(int) - GREY).max() <= 1


def test_a_dark_picture_of_sixteen_bits_stays_dark():
    dark = Image.fromarray((GREY // 2).astype(np.uint16))  # all of it below 0.2 % of white
    assert np.asarray(read_picture("original_image", dark).image).max() <= 1


def test_one_clear_value_of_sixteen_bits_is_alpha(tmp_path):
    values = GREY.astype(np.uint16) * 257
    path = saved(tmp_path, Image.fromarray(values), transparency=int(values[0, 0]))
    alpha = np.asarray(read_picture("original_image", path).alpha)
    assert np.array_equal(alpha == 0, values == values[0, 0])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            (GREY / 255 * 1.3).astype(np.float32),
            r"numbers from .* to 1\.\d+, allowed are 0, black, to 1, white",
        ),
        (GREY.astype(np.float32), "allowed are 0, black, to 1, white"),
        ((GREY / 255 - 0.5).astype(np.float32), r"numbers from -0\.[45]"),
        (np.full((20, 20), np.nan, np.float32), "no numbers"),
        (np.full((20, 20), np.inf, np.float32), "no numbers"),
        (GREY.astype(np.int32), "nothing says which is white"),
        (GREY.astype(np.int32) * 257, "nothing says which is white"),
    ],
)
def test_numbers_whose_white_is_not_known_are_refused_not_guessed(tmp_path, values, says):
    path = tmp_path / "grey.tif"
    path.write_bytes(tiff(values))
    for source in (path, Image.fromarray(values)):
        with pytest.raises(InvalidEdit, match=says):
            read_picture("original_image", source)


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


def noted(kind):
    """Return a PNG with something beside its pixels that Pillow chokes on."""
    info, options = PngInfo(), {}
    if kind == "ztxt":
        info.add_text("workflow", "x" * 1_500_000, zip=True)
    elif kind == "itxt":
        info.add_itxt("workflow", "x" * 1_500_000, zip=True)
    elif kind == "many texts":
        for n in range(70):
            info.add_itxt(f"note {n}", "x" * 1_000_000, zip=True)
    elif kind == "profile":
        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(
            1_200_000
        )
    held = io.BytesIO()
    PHOTO.save(held, "PNG", pnginfo=info, **options)
    content = held.getvalue()
    if kind in ("damaged text", "damaged text at the end"):
        chunk = struct.pack(">I", 3) + b"tEXta\0b" + bytes(4)  # its checksum is wrong
        at = 33 if kind == "damaged text" else len(content) - 12
        content = content[:at] + chunk + content[at:]
    return content


@pytest.mark.parametrize(
    "kind", ["ztxt", "itxt", "many texts", "profile", "damaged text", "damaged text at the end"]
)
def test_what_stands_beside_the_pixels_never_decides_over_them(tmp_path, kind):
    path = tmp_path / "photo.png"
    path.write_bytes(noted(kind))
    assert np.array_equal(np.asarray(read_picture("original_image", path).image), np.asarray(PHOTO))


def test_a_long_note_does_not_make_a_cut_picture_whole(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(noted("ztxt")[:-400])
    with pytest.raises(InvalidEdit, match="damaged or cut short"):
        read_picture("original_image", path)


def test_a_wide_profile_still_counts_beside_a_long_note(tmp_path):
    """Linear light, told by a profile: dark as numbers, bright as seen."""
    profile = linear_profile()
    info = PngInfo()
    info.add_text("workflow", "x" * 1_500_000, zip=True)
    plain, with_note = (tmp_path / name for name in ("plain.png", "note.png"))
    PHOTO.save(plain, icc_profile=profile)
    PHOTO.save(with_note, icc_profile=profile, pnginfo=info)
    seen, beside = (np.asarray(read_picture("original_image", path).image) for path in (plain, with_note))
    assert np.array_equal(seen, beside) and seen.mean() > np.asarray(PHOTO).mean() + 10


def linear_profile():
    """Return a version 2 matrix profile of sRGB's colours with straight curves."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = bytearray(srgb)
    (count,) = struct.unpack(">I", content[128:132])
    for place in range(132, 132 + 12 * count, 12):
        name, at, _ = struct.unpack(">4sII", content[place : place + 12])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            content[at : at + 12] = b"curv" + bytes(8)  # no points: the identity
    return bytes(content)


def test_a_profile_is_judged_by_what_it_does_not_by_its_name(tmp_path):
    """One called sRGB whose curves are straight is linear light all the same."""
    path = saved(tmp_path, PHOTO, icc_profile=linear_profile())
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear_profile())))
    assert np.asarray(read_picture("original_image", path).image).mean() > np.asarray(PHOTO).mean() + 10


def test_a_heic_picture_is_read_where_its_decoder_is(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "IMG_0001.HEIC"
    heif.from_pillow(PHOTO).save(path, quality=-1)
    seen = np.asarray(read_picture("original_image", path).image).astype(int)
    assert np.abs(seen - np.asarray(PHOTO)).mean() < 8
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InvalidEdit, match="HEIC picture that is damaged"):
        read_picture("original_image", path)


def test_a_heic_picture_without_its_decoder_is_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr("editors.pictures.files.find_spec", lambda name: None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200))
    with pytest.raises(InvalidEdit, match=r"a HEIC picture.*save it as JPEG.*wordbrush\[heic\]"):
        read_picture("original_image", path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_read_and_a_device_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = png_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    picture = read_picture("original_image", pipe)
    writer.join()
    assert np.array_equal(np.asarray(picture.image), np.asarray(PHOTO))
    with pytest.raises(InvalidEdit, match="is a device"):
        read_picture("original_image", "/dev/zero")


def test_a_later_frame_that_is_damaged_does_not_lose_the_first(tmp_path):
    held = io.BytesIO()
    PHOTO.save(held, "TIFF", save_all=True, append_images=[PHOTO])
    content = bytearray(held.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as pages:
        second = pages.pages[1].offset
    path = tmp_path / "pages.tif"
    path.write_bytes(bytes(content[:second]))
    picture = read_picture("original_image", path)
    assert np.array_equal(np.asarray(picture.image), np.asarray(PHOTO)) and picture.num_frames > 1


def test_a_phone_photo_with_a_map_behind_it_is_no_animation(tmp_path):
    path = saved(
        tmp_path, PHOTO, "photo.jpg", format="MPO", save_all=True, append_images=[PHOTO.convert("L")]
    )
    assert read_picture("original_image", path).notes == ()


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "lime", "blue")]
    for name in ("a.gif", "a.png", "a.webp"):
        path = saved(tmp_path, frames[0], name, save_all=True, append_images=frames[1:], lossless=True)
        picture = read_picture("original_image", path)
        assert picture.num_frames == 3 and "first is edited" in picture.notes[0]
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
    back = np.asarray(from_white(picture, picture.on_white())).astype(int)
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


BAD_FILES = (
    (b"", "empty"),
    (b"<html><body>Not found</body></html>", "a web page"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing; export it as PNG"),
    (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg/>", "an SVG drawing"),
    (struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200), "HEIC"),
    (struct.pack(">I", 24) + b"ftypisom" + bytes(200), "a video"),
    (struct.pack(">I", 24) + b"ftypcrx " + bytes(200), "raw file"),
    (b"II*\0\x10\0\0\0CR\x02\0" + bytes(200), "TIFF|raw file"),
    (tiff(GREY, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]), "raw file.*develop it"),
    (raw_with_a_thumbnail(), "raw file.*develop it"),
    (tiff((np.asarray(PHOTO) / 255).astype(np.float32), photometric="rgb"), "a TIFF whose pixels"),
    (tiff(np.asarray(PHOTO), photometric="ycbcr"), "a TIFF whose pixels"),
    (b"8BPS" + bytes(40), "a Photoshop document"),
    (b"\xff\x0a" + bytes(40), "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "a JPEG XL picture"),
    (b"%PDF-1.7", "a PDF document"),
    (b"PK\x03\x04" + bytes(40), "a ZIP archive; unpack it"),
    (b"hello", "no picture"),
    (png_bytes()[: len(png_bytes()) // 2], "damaged or cut short"),
    (png_header(20_000, 20_000), "far too many"),
    (png_header(12_000, 10_000), "120 million"),
    (png_header(1, 1), "from 16"),
    (png_header(20, 4000), "8 to 1"),
    (png_header(4000, 20), "8 to 1"),
)


@pytest.mark.parametrize(("content", "says"), BAD_FILES)
def test_a_bad_file_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(InvalidEdit, match=says) as caught:
        read_picture("original_image", path)
    text = str(caught.value)
    assert text.startswith("original_image: ") and text.endswith(".") and "; " in text and "\n" not in text


@pytest.mark.parametrize("name", ["missing.png", ".", "x" * 400 + ".png", "a\nb.png"])
def test_a_path_to_nothing_is_one_sentence(tmp_path, name):
    with pytest.raises(InvalidEdit, match=r"no file|folder|name too long") as caught:
        read_picture("original_image", tmp_path / name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize("size", [(8, 8), (1, 4000), (16, 200), (12_000, 10_000)])
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


def palette_mask(colour):
    mask = Image.new("P", (61, 83))
    mask.putpalette([0, 0, 0, *colour])
    mask.paste(1, (10, 10, 20, 20))
    return mask


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (Image.new("L", (61, 83), 1), "brightest place is 1 of 255.*white, 255"),
        (Image.new("L", (61, 83), 100), "brightest place is 100 of 255"),
        (Image.fromarray(np.ones((83, 61), np.uint16)), "black all over"),
        (palette_mask((1, 1, 1)), "brightest place is 1"),
        (palette_mask((128, 0, 0)), "is in colours"),
        (Image.new("RGB", (61, 83), "lime"), "is in colours"),
    ],
)
def test_a_mask_that_would_change_next_to_nothing_is_refused(mask, says):
    with pytest.raises(InvalidEdit, match=says):
        read_mask("mask", mask, (61, 83))


def test_masks_of_all_kinds_that_are_white_somewhere_are_taken():
    soft = Image.linear_gradient("L").resize((61, 83))
    assert np.array_equal(read_mask("mask", soft, (61, 83)), np.asarray(soft))
    for mask in (
        palette_mask((255, 255, 255)),
        Image.fromarray(np.asarray(palette_mask((0, 0, 0))).astype(bool)),
        Image.fromarray(np.asarray(palette_mask((0, 0, 0))).astype(np.float32)),
        Image.fromarray(np.asarray(palette_mask((0, 0, 0))).astype(np.uint16) * 65535),
    ):
        assert read_mask("mask", mask, (61, 83)).sum() == 255 * 100


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
