"""Images: reading, sets of them, sizes."""

from neuraleig.segmentation.images._color import rgb_to_lab
from neuraleig.segmentation.images._drawing import draw_text
from neuraleig.segmentation.images._encoded import jpeg_bytes
from neuraleig.segmentation.images._image_arrays import (
    RGB,
    ImageError,
    ImageWarning,
    Labels,
    check_labels,
    label_dtype,
)
from neuraleig.segmentation.images._image_files import (
    ImageLike,
    image_size,
    read_image,
    read_mask,
    write_image,
    write_labels,
)
from neuraleig.segmentation.images._image_paths import IMAGE_SUFFIXES
from neuraleig.segmentation.images._image_sets import (
    ImageSet,
    as_image_set,
    is_one_image,
    mask_sequence,
    readable,
)
from neuraleig.segmentation.images._resize import resized_to, short_side_size

__all__ = [
    "IMAGE_SUFFIXES",
    "RGB",
    "ImageError",
    "ImageLike",
    "ImageSet",
    "ImageWarning",
    "Labels",
    "as_image_set",
    "check_labels",
    "draw_text",
    "image_size",
    "is_one_image",
    "jpeg_bytes",
    "label_dtype",
    "mask_sequence",
    "read_image",
    "read_mask",
    "readable",
    "resized_to",
    "rgb_to_lab",
    "short_side_size",
    "write_image",
    "write_labels",
]
