"""Images: reading, sets of them, sizes."""

from neuraleig.segmentation.images._atomic import (
    atomic_file,
    remove_temporaries,
    write_json,
)
from neuraleig.segmentation.images._drawing import draw_text
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
from neuraleig.segmentation.images._image_sets import (
    ImageSet,
    as_image_set,
    is_one_image,
)
from neuraleig.segmentation.images._resize import resize_short_side, resized_to

__all__ = [
    "RGB",
    "ImageError",
    "ImageLike",
    "ImageSet",
    "ImageWarning",
    "Labels",
    "as_image_set",
    "atomic_file",
    "check_labels",
    "draw_text",
    "image_size",
    "is_one_image",
    "label_dtype",
    "read_image",
    "read_mask",
    "remove_temporaries",
    "resize_short_side",
    "resized_to",
    "write_image",
    "write_json",
    "write_labels",
]
