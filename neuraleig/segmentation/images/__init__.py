"""Reading of images and masks."""

from neuraleig.segmentation.images._image_arrays import ImageError, ImageWarning
from neuraleig.segmentation.images._image_files import read_image, read_mask

__all__ = ["ImageError", "ImageWarning", "read_image", "read_mask"]
