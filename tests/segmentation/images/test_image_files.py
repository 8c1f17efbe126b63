import sys
import zlib

import new_process
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

Image = pytest.importorskip("PIL.Image")

from neuraleig.segmentation.images import ImageError, read_image, read_mask  # noqa: E402
from neuraleig.segmentation.images._image_arrays import label_dtype  # noqa: E402
from neuraleig.segmentation.images._image_files import (  # noqa: E402
    write_image,
    write_labels,
)

HEIGHT, WIDTH = 32, 48
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# By tag of EXIF: what turns the stored pixels upright.
TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x, 1),
}


@pytest.fixture
def rgb():
    """Quarters of four colours, which any codec keeps apart."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    image[:16, :24], image[:16, 24:] = RED, GREEN
    image[16:, :24], image[16:, 24:] = BLUE, WHITE
    return image


def noise(*shape, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, top, shape, dtype, endpoint=True)


# Arrays and tensors


def test_an_rgb_array_is_itself():
    image = noise(4, 5, 3)
    assert read_image(image) is image


def test_the_result_can_always_be_written_to(rgb):
    rgb.setflags(write=False)
    for given_image in (rgb, rgb[:, ::-1], np.broadcast_to(rgb[:1], rgb.shape)):
        image = read_image(given_image)
        assert image.flags.writeable
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, given_image)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1)])
def test_grey_has_three_equal_channels(shape):
    grey = noise(*shape)
    image = read_image(grey)
    np.testing.assert_array_equal(image, np.stack([grey.reshape(4, 5)] * 3, axis=-1))


@pytest.mark.parametrize(
    "forms",
    [
        lambda x: x.astype(np.uint16) * 257,
        lambda x: (x.astype(np.uint16) * 257).astype(">u2"),
        lambda x: x / 255,
        lambda x: (x / 255).astype(np.float32),
        lambda x: (x / 255).astype(np.float16),
    ],
)
def test_all_types_say_the_same(forms):
    image = noise(4, 5, 3)
    np.testing.assert_array_equal(read_image(forms(image)), image)


def test_deep_values_are_rounded():
    deep = np.array([[0, 128, 129, 65535 - 128, 65535]], np.uint16)
    assert read_image(deep)[0, :, 0].tolist() == [0, 0, 1, 255, 255]


def test_booleans_are_black_and_white():
    image = read_image(np.eye(3, dtype=bool))
    np.testing.assert_array_equal(image[:, :, 1], 255 * np.eye(3))


@given(value=st.integers(0, 255), opacity=st.integers(0, 255))
def test_opacity_lays_on_white(value, opacity):
    pixel = np.array([[[value, 0, 255, opacity]]], np.uint8)
    share = opacity / 255
    expected = share * pixel[0, 0, :3] + (1 - share) * 255
    assert np.abs(read_image(pixel)[0, 0] - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_have_their_channels_first(dtype, channels):
    image = torch.randint(2, (channels, 4, 5)).to(dtype)
    top = 255 if dtype.is_floating_point else 1
    expected = (image.double() * top).permute(1, 2, 0).expand(4, 5, 3).numpy()
    np.testing.assert_array_equal(read_image(image), expected)
    np.testing.assert_array_equal(read_image(image[0])[:, :, 0], expected[:, :, 0])


def test_tensors_may_be_part_of_a_graph():
    image = torch.rand(3, 4, 5, requires_grad=True)
    expected = image.detach().permute(1, 2, 0).mul(255).round().numpy()
    np.testing.assert_array_equal(read_image(image), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 5, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((3, 40, 50), np.uint8), r"image.transpose\(1, 2, 0\)"),
        (np.zeros((2, 4, 5, 3), np.uint8), r"\(2, 4, 5, 3\)"),
        (np.zeros(4, np.uint8), "height"),
        (np.zeros((0, 5, 3), np.uint8), "without pixels"),
        (np.zeros((4, 0), np.uint8), "without pixels"),
        (np.zeros((4, 5), np.int64), r"image.astype\(np.uint8\)"),
        (np.zeros((4, 5), complex), "complex"),
        (np.full((4, 5), np.nan), "NaN or infinite"),
        (np.full((4, 5, 3), np.inf), "NaN or infinite"),
        (np.full((4, 5), 200.0), "divide by 255"),
        (np.full((4, 5), -0.5), "divide by 255"),
        (torch.zeros(40, 50, 3), r"image.permute\(2, 0, 1\)"),
        (torch.zeros(2, 40, 50), "1, 3 or 4 channels"),
        (torch.zeros(1, 3, 4, 5), "1, 3 or 4 channels"),
        (torch.zeros(3, 0, 5), "without pixels"),
        (torch.zeros(3, 4, 5, dtype=torch.int64), "int64"),
    ],
)
def test_arrays_that_are_no_images_are_refused(image, message):
    with pytest.raises(ImageError, match=message):
        read_image(image)


@pytest.mark.parametrize("image", [None, 3, [1, 2], b"image.png", {"image": 1}])
def test_other_things_are_refused(image):
    for reader in (read_image, read_mask):
        with pytest.raises(TypeError, match="must be a path"):
            reader(image)


def test_rounding_beyond_one_is_no_error():
    assert read_image(np.full((1, 1), 1 + 1e-6)).max() == 255


# Files


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm"])
def test_lossless_files_come_back(tmp_path, rgb, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path, lossless=True)
    np.testing.assert_array_equal(read_image(path), rgb)
    np.testing.assert_array_equal(read_image(str(path)), rgb)
    with Image.open(path) as picture:
        np.testing.assert_array_equal(read_image(picture), rgb)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_orientation_is_applied(tmp_path, rgb, suffix, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(rgb).save(path, exif=exif, quality=95)
    expected = TURNS[orientation](rgb)
    for pictures in (lambda: path, lambda: Image.open(path)):
        image = read_image(pictures())
        assert image.shape == expected.shape
        # Away from the edges, which the codecs blur.
        difference = np.abs(image[4::8, 4::8].astype(int) - expected[4::8, 4::8])
        assert difference.max() < 30
    loaded = Image.open(path)
    loaded.load()
    assert read_image(loaded).shape == expected.shape


def chunk(name, content):
    checksum = zlib.crc32(name + content)
    return (
        len(content).to_bytes(4, "big") + name + content + checksum.to_bytes(4, "big")
    )


def test_orientation_behind_the_pixels_of_a_png_is_applied(tmp_path, rgb):
    path = tmp_path / "a.png"
    write_image(path, rgb)
    exif = Image.Exif()
    exif[274] = 6
    content = path.read_bytes()
    end = content.index(b"IEND") - 4
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    path.write_bytes(content[:end] + late + content[end:])
    np.testing.assert_array_equal(read_image(path), TURNS[6](rgb))


def test_broken_exif_says_nothing(tmp_path, rgb):
    path = tmp_path / "a.jpg"
    Image.fromarray(rgb).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert read_image(path).shape == rgb.shape


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX", "RGBA", "RGBa", "P"])
def test_modes_of_colour_are_converted(rgb, mode):
    picture = Image.fromarray(rgb)
    picture = picture.convert("RGBA") if mode == "RGBa" else picture
    image = read_image(picture.convert(mode))
    assert np.abs(image.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "PA"])
def test_modes_of_grey_are_converted(mode):
    grey = np.where(noise(8, 8) > 128, 255, 0).astype(np.uint8)
    picture = Image.fromarray(grey)
    np.testing.assert_array_equal(read_image(picture.convert(mode))[:, :, 0], grey)


def test_cmyk_jpeg_files_are_converted(tmp_path, rgb):
    path = tmp_path / "a.jpg"
    Image.fromarray(rgb).convert("CMYK").save(path, quality=95)
    difference = np.abs(read_image(path)[4::8, 4::8].astype(int) - rgb[4::8, 4::8])
    assert difference.max() < 30


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_deep_grey_is_scaled(tmp_path, suffix):
    grey = noise(6, 7)
    deep = grey.astype(np.uint16) * 257
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":  # which not all versions of Pillow write that deep
        path.write_bytes(b"P5 7 6 65535\n" + deep.astype(">u2").tobytes())
    else:
        Image.fromarray(deep).save(path)
    np.testing.assert_array_equal(read_image(path)[:, :, 2], grey)
    np.testing.assert_array_equal(read_image(Image.open(path))[:, :, 2], grey)


def test_big_endian_deep_grey_is_scaled():
    grey = noise(6, 7)
    picture = Image.fromarray((grey.astype(np.uint16) * 257).astype(">u2"))
    assert picture.mode == "I;16B"
    np.testing.assert_array_equal(read_image(picture)[:, :, 0], grey)


def test_grey_of_32_bits(tmp_path):
    floats = noise(6, 7) / 255
    path = tmp_path / "a.tif"
    Image.fromarray(floats.astype(np.float32)).save(path)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], np.rint(floats * 255))
    Image.fromarray(np.full((6, 7), 70_000, np.int32)).save(path)
    with pytest.raises(ImageError, match=r"a\.tif.*70000"):
        read_image(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_white(tmp_path, mode):
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 255))
    picture.putpixel((1, 2), (0, 0, 0, 0))
    path = tmp_path / "a.png"
    if mode == "P":
        indexed = Image.new("P", (4, 4), 0)
        indexed.putpalette([0, 0, 0, 9, 9, 9])
        indexed.putpixel((1, 2), 1)
        indexed.save(path, transparency=1)
    else:
        picture.convert(mode).save(path)
    expected = np.zeros((4, 4, 3), int)
    expected[2, 1] = 255
    np.testing.assert_array_equal(read_image(path), expected)


def test_transparent_deep_grey_is_white(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[257, 5 * 257]], np.uint16)).save(path)
    # Not all versions of Pillow write what is transparent in deep grey.
    content = path.read_bytes()
    pixels = content.index(b"IDAT") - 4
    transparent = chunk(b"tRNS", (257).to_bytes(2, "big"))
    path.write_bytes(content[:pixels] + transparent + content[pixels:])
    assert read_image(path)[0, :, 0].tolist() == [255, 5]


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_of_an_animation_the_first_picture_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (6, 5), color) for color in (RED, GREEN, BLUE)]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(path) as picture:
        assert picture.n_frames == 3
    np.testing.assert_array_equal(read_image(path), np.full((5, 6, 3), RED))


def test_what_is_in_no_way_an_image_is_refused(tmp_path):
    empty, text, other = tmp_path / "empty.jpg", tmp_path / "t.png", tmp_path / "a.eps"
    empty.touch()
    text.write_text("not an image")
    Image.new("RGB", (4, 4)).save(other)
    for path, message in [
        (empty, "the file is empty"),
        (text, "it is not an image"),
        (other, "it is not an image"),
        (tmp_path, "it is a folder"),
        (tmp_path / "missing.jpg", "there is no such file"),
    ]:
        for reader in (read_image, read_mask):
            with pytest.raises(ImageError, match=message) as caught:
                reader(path)
            assert repr(str(path)) in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif", "bmp", "ppm"])
def test_truncated_and_damaged_files_raise_one_error(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(40, 40, 3)).save(path)
    whole = path.read_bytes()
    for length in range(1, len(whole) - 64, len(whole) // 25):
        path.write_bytes(whole[:length])
        with pytest.raises(ImageError, match=f"a\\.{suffix}"):
            read_image(path)
    generator = np.random.default_rng(0)
    n_refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        # Mostly in the header, where the sizes are.
        for at in generator.integers(0, 200, 4):
            damaged[at] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            read_image(path)
        except ImageError:
            n_refused += 1
    assert n_refused > 0


@pytest.mark.parametrize("pixels", [60, 150])
def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch, pixels):
    path = tmp_path / "a.png"
    Image.new("L", (20, 10)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
    if pixels == 150:  # up to twice the limit Pillow only warns, which must not leak
        assert read_image(path).shape[:2] == (10, 20)
        return
    for reader in (read_image, read_mask):
        with pytest.raises(ImageError, match=r"a\.png.*decompression bomb"):
            reader(path)


def test_a_lazily_opened_picture_that_cannot_be_decoded_is_named(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(noise(40, 40, 3)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with Image.open(path) as picture, pytest.raises(ImageError, match=r"a\.png"):
        read_image(picture)


def test_a_lack_of_memory_is_no_fault_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)

    def load(self):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    for read in (read_image, read_mask):
        with pytest.raises(MemoryError):
            read(path)


def test_without_pillow_the_error_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ImportError, match="extra 'vision'"):
        read_image(tmp_path / "a.png")
    assert read_image(np.zeros((2, 2), np.uint8)).shape == (2, 2, 3)


def test_pillow_is_imported_when_a_file_is_read():
    code = (
        "import sys, numpy as np;"
        "from neuraleig.segmentation.images import _image_files as f;"
        "f.read_image(np.zeros((2, 2))); assert 'PIL.Image' not in sys.modules"
    )
    new_process.run(["-c", code], check=True)


# Masks


@pytest.mark.parametrize("n_labels", [2, 5, 256, 300, 65536])
def test_labels_come_back(tmp_path, n_labels):
    labels = np.random.default_rng(0).integers(0, n_labels, (9, 11))
    labels[0, 0] = n_labels - 1
    palette = noise(n_labels, 3)
    path = tmp_path / "labels.png"
    write_labels(path, labels, palette)
    found = read_mask(path)
    assert found.dtype == label_dtype(n_labels)
    np.testing.assert_array_equal(found, labels)
    assert list(tmp_path.iterdir()) == [path]
    # Bits and kind of colours in the header of a PNG: a palette, or 16 bits of grey.
    depth, kind = path.read_bytes()[24:26]
    assert (kind == 3) if n_labels <= 256 else ((depth, kind) == (16, 0))
    if n_labels <= 256:
        np.testing.assert_array_equal(read_image(path), palette[labels])


@pytest.mark.parametrize("suffix", ["png", "pgm", "tif"])
@pytest.mark.parametrize("opened", [False, True])
def test_masks_of_16_bits_keep_their_type(tmp_path, suffix, opened):
    mask = noise(6, 7, dtype=np.uint16)
    path = tmp_path / f"a.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 7 6 65535\n" + mask.astype(">u2").tobytes())
    else:
        Image.fromarray(mask).save(path)
    found = read_mask(Image.open(path) if opened else path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, mask)


def test_masks_of_32_bits_keep_their_type(tmp_path):
    mask = np.array([[-1, 70_000]], np.int32)
    path = tmp_path / "a.tif"
    Image.fromarray(mask).save(path)
    for form in (path, Image.fromarray(mask)):
        found = read_mask(form)
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 2), 3), "labels are 3 to 3, but must be 0 to 2"),
        (np.full((2, 2), -1), "must be 0 to 2"),
        (np.zeros((2, 2)), "must be integers"),
        (np.zeros((2, 2, 1), int), "shape"),
        (np.zeros((0, 2), int), "shape"),
    ],
)
def test_labels_without_a_colour_are_refused(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / "a.png", labels, noise(3, 3))
    assert not list(tmp_path.iterdir())


def test_too_many_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="65536"):
        write_labels(tmp_path / "a.png", np.zeros((2, 2), int), noise(65537, 3))


@pytest.mark.parametrize(
    ("n_labels", "expected"),
    [(1, "u1"), (256, "u1"), (257, "u2"), (65536, "u2"), (65537, "u4")],
)
def test_the_smallest_type_holds_the_labels(n_labels, expected):
    assert label_dtype(n_labels) == expected


def test_no_labels_have_no_type():
    with pytest.raises(ValueError, match="n_labels=0"):
        label_dtype(0)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "i8", ">u2", bool])
def test_masks_keep_their_integers(tmp_path, dtype):
    mask = (noise(4, 5) % 2).astype(dtype)
    np.save(tmp_path / "a.npy", mask)
    for form in (mask, mask[:, :, None], tmp_path / "a.npy"):
        found = read_mask(form)
        assert found.dtype.kind in "iu"
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, mask)


def test_masks_of_tensors_and_pictures():
    mask = noise(4, 5)
    tensor = torch.from_numpy(mask)
    forms = (tensor, tensor[None], tensor.double(), Image.fromarray(mask))
    for form in forms:
        np.testing.assert_array_equal(read_mask(form), mask)


def test_negative_labels_are_labels():
    assert read_mask(np.full((2, 2), -1)).min() == -1


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 5, 3), np.uint8), "one integer per pixel"),
        (np.zeros((0, 5), np.uint8), "one integer per pixel"),
        (np.full((4, 5), 0.5), "fractions or values"),
        (np.full((4, 5), np.nan), "fractions or values"),
        (np.full((4, 5), np.inf), "fractions or values"),
        (np.full((4, 5), 1e300), "fractions or values"),
        (np.full((4, 5), "a"), "holds integers"),
        (torch.zeros(3, 4, 5), "one integer per pixel"),
        (Image.new("RGB", (4, 5)), "colour image"),
        (Image.new("LA", (4, 5)), "colour image"),
    ],
)
def test_masks_that_are_not_of_integers_are_refused(mask, message):
    with pytest.raises(ImageError, match=message):
        read_mask(mask)


def test_masks_in_lossy_or_broken_files_are_refused(tmp_path):
    Image.new("L", (4, 5)).save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"a\.jpg.*compression"):
        read_mask(tmp_path / "a.jpg")
    (tmp_path / "a.npy").write_bytes(b"broken")
    np.save(tmp_path / "b.npy", np.array([[{}]]), allow_pickle=True)
    for name in ("a.npy", "b.npy", "missing.npy"):
        with pytest.raises(ImageError, match=name):
            read_mask(tmp_path / name)


# Writing


def test_images_are_written_by_suffix(tmp_path, rgb):
    for suffix, kind in [(".png", "PNG"), (".JPG", "JPEG"), (".webp", "WEBP")]:
        write_image(tmp_path / f"a{suffix}", rgb)
        with Image.open(tmp_path / f"a{suffix}") as picture:
            assert picture.format == kind
    for name in ("a.xyz", "a"):
        with pytest.raises(ValueError, match="suffix of an image format"):
            write_image(tmp_path / name, rgb)


def test_names_may_be_as_long_as_names_can_be(tmp_path, rgb):
    path = tmp_path / ("a" * 251 + ".png")
    write_image(path, rgb)
    np.testing.assert_array_equal(read_image(path), rgb)
