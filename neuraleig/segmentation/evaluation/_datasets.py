"""Labelled data sets, in the folder layouts in which they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation import _class_names as names
from neuraleig.segmentation.evaluation import _dataset_layouts as layouts
from neuraleig.segmentation.evaluation._class_codes import (
    NO_CLASS,
    Classes,
    named_codes,
    number_of_classes,
    read_codes,
)
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX
from neuraleig.segmentation.evaluation._dataset_readers import (
    TableReader,
    label_map_table,
    read_class_ids,
)


@dataclass(frozen=True, eq=False)
class SegmentationDataset:
    """Image files and their masks of classes, for evaluation.

    Parameters
    ----------
    images : list of path
        Image files.
    masks : list of path
        Mask of each image, in the same order.
    class_names : tuple of str
        Name of each class, in the order of the class ids.
    ignore_index : int or None, default=255
        Value of pixels without a class in what ``reader`` returns.
    split : str, default=""
        Part of the data set, such as "val".
    name : str, default=""
        Name of the data set, from which a protocol takes its windows.
    reader : callable, default=read_class_ids
        Function from the path of a mask to class ids, int64 of shape (height, width).
        The default returns the values in an image file.

    Raises
    ------
    ValueError
        If there are more or fewer masks than images, or no class names.

    Notes
    -----
    ``len(dataset)`` is the number of images, and ``dataset[i]`` is the path of an image
    with its mask, which is read then.

    Examples
    --------
    >>> from pathlib import Path
    >>> from neuraleig.segmentation import SegmentationDataset
    >>> images = sorted(Path("photos").glob("*.jpg"))
    >>> masks = [Path("masks") / f"{path.stem}.png" for path in images]
    >>> dataset = SegmentationDataset(images, masks, class_names=("ground", "sky"))
    >>> len(dataset), dataset.n_classes
    (0, 2)
    """

    images: list[Path]
    masks: list[Path]
    class_names: tuple[str, ...]
    ignore_index: int | None = IGNORE_INDEX
    split: str = ""
    name: str = ""
    reader: Callable[[Path], IntArray] = read_class_ids

    def __post_init__(self) -> None:
        if len(self.images) != len(self.masks):
            raise ValueError(
                f"there are {len(self.images)} images but {len(self.masks)} masks; "
                "give one mask per image, in the same order."
            )
        if not self.class_names:
            raise ValueError("class_names is empty; name every class.")

    @classmethod
    def from_folders(
        cls,
        images: str | PathLike[str],
        masks: str | PathLike[str],
        classes: Classes | None = None,
        *,
        ignore_index: int | None = IGNORE_INDEX,
    ) -> SegmentationDataset:
        """Data set of a folder of images and a folder of their masks.

        Parameters
        ----------
        images : path
            Folder that is searched for images, with all below it.
        masks : path
            Folder of PNG files in the same tree. The mask of ``a/1.jpg`` is
            ``a/1.png``, or ``a/1_L.png`` where all masks have the ending ``_L``, or
            another one that begins with ``_``, ``-``, a point or a space.
        classes : sequence of str, mapping or None, default=None
            Names, for masks that hold their indices, where other values are errors; or
            a mapping as ``{0: "road"}``, ``{"road": 0}`` or, for masks of colours,
            ``{"road": (128, 64, 128)}``, where other pixels have no class. None: a
            class per integer up to the largest in the masks, which are read for it.
        ignore_index : int or None, default=255
            Value of pixels without a class in the files. Not used with colours.

        Returns
        -------
        dataset : SegmentationDataset
            Masks hold class ids from 0, and -1 for no class, whatever the files hold.

        Raises
        ------
        ValueError
            If two images have one name, or ``classes`` are not as described.
        FileNotFoundError
            If a folder is missing or empty, or an image has no mask or a mask no image.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> from PIL import Image
        >>> from neuraleig.segmentation import SegmentationDataset
        >>> with TemporaryDirectory() as folder:
        ...     for name in ("images/1.jpg", "masks/1_L.png"):
        ...         path = Path(folder, name)
        ...         path.parent.mkdir()
        ...         Image.fromarray(np.array([[7, 7, 8]], np.uint8)).save(path)
        ...     dataset = SegmentationDataset.from_folders(
        ...         Path(folder, "images"), Path(folder, "masks"), {7: "road", 8: "sky"}
        ...     )
        ...     dataset.class_names, dataset.read_mask(0)
        (('road', 'sky'), array([[0, 0, 1]]))
        """
        found, labelled = layouts.files_of_folders(Path(images), Path(masks))
        if classes is None:
            values = map(read_codes, labelled)
            count = number_of_classes(values, ignore_index, "classes")
            classes = [f"class {number}" for number in range(count)]
        class_names, reader = named_codes(classes, ignore_index)
        return cls(found, labelled, class_names, NO_CLASS, reader=reader)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Path, IntArray]:
        return self.images[index], self.read_mask(index)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def read_mask(self, index: int) -> IntArray:
        """Read the mask of an image.

        Parameters
        ----------
        index : int
            Index of the image.

        Returns
        -------
        mask : ndarray of shape (height, width), int64
            Class of each pixel, or ``ignore_index``.

        Raises
        ------
        ValueError
            If the file cannot be read, or holds other values than class ids.
        """
        return self.reader(self.masks[index])

    def subset(self, indices: Iterable[int]) -> SegmentationDataset:
        """Data set of some of the images.

        Parameters
        ----------
        indices : iterable of int
            Indices of the images, in the order wanted.

        Returns
        -------
        dataset : SegmentationDataset
            These images with their masks.
        """
        chosen = list(indices)
        return replace(
            self,
            images=[self.images[i] for i in chosen],
            masks=[self.masks[i] for i in chosen],
        )


@dataclass(frozen=True)
class _Published:
    """Classes, layout and values of the masks of a published data set."""

    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    layout: str
    find: Callable[[Path, str], layouts.Files]
    table: tuple[int, ...]


_NONE = (IGNORE_INDEX,)
_THREE, _TWO = ("train", "val", "test"), ("train", "val")
_CAMVID = (_THREE, layouts.CAMVID, layouts.camvid_files)
_CITYSCAPES = (_THREE, layouts.CITYSCAPES, layouts.cityscapes_files)
_ADE20K = (_TWO, layouts.ADE20K, layouts.ade20k_files)
_PASCAL = (_TWO, layouts.PASCAL_CONTEXT, layouts.pascal_context_files)
_TRAIN_IDS = {name: id for id, name in enumerate(names.CITYSCAPES_19)}

# The last entry is the class of each value in the masks, from 0 on.
DATASETS = {
    "camvid": _Published(names.CAMVID, *_CAMVID, (*range(11), IGNORE_INDEX)),
    "cityscapes": _Published(
        names.CITYSCAPES_19,
        *_CITYSCAPES,
        _NONE * 7 + tuple(_TRAIN_IDS.get(n, IGNORE_INDEX) for n in names.CITYSCAPES_27),
    ),
    "cityscapes27": _Published(
        names.CITYSCAPES_27, *_CITYSCAPES, (*_NONE * 7, *range(27))
    ),
    "ade20k": _Published(names.ADE20K_150, *_ADE20K, (*_NONE, *range(150))),
    "pascal_context": _Published(
        names.PASCAL_CONTEXT_59, *_PASCAL, (*_NONE, *range(59))
    ),
    "pascal_context60": _Published(names.PASCAL_CONTEXT_60, *_PASCAL, tuple(range(60))),
}


def load_dataset(
    name: str, root: str | PathLike[str], split: str = "val"
) -> SegmentationDataset:
    """Find the images and masks of a published data set.

    Nothing is downloaded, and no image or mask is opened.

    Parameters
    ----------
    name : str
        One of

        - "camvid": 11 classes;
        - "cityscapes": the 19 classes of the benchmark;
        - "cityscapes27": label ids 7 to 33, as in unsupervised segmentation;
        - "ade20k": the 150 classes of the scene parsing benchmark;
        - "pascal_context": 59 classes; background pixels are not scored;
        - "pascal_context60": the same, with background as class 0.
    root : path
        Folder of the data set. Errors show the expected layout.
    split : {"train", "val", "test"}, default="val"
        Part of the data set; "test" for CamVid and Cityscapes only (masks of the latter
        have no classes).

    Returns
    -------
    dataset : SegmentationDataset
        Masks hold class ids from 0, and 255 for no class, whatever the files hold. In
        the order of the names, or of the published list of the split.

    Raises
    ------
    ValueError
        If there is no such data set or split, or a list has unexpected content.
    FileNotFoundError
        If a folder or file is missing, or an image has no mask or a mask no image.

    Notes
    -----
    Pascal Context is read as published (MAT files of 459 labels) or as PNG files of the
    59 classes in alphabetical order, to which common tools convert it. Every other
    label is background.

    References
    ----------
    .. [1] G. J. Brostow, J. Fauqueur and R. Cipolla, "Semantic object classes in
       video", Pattern Recognition Letters, 2009.
    .. [2] M. Cordts et al., "The Cityscapes dataset for semantic urban scene
       understanding", CVPR, 2016.
    .. [3] B. Zhou et al., "Scene parsing through ADE20K dataset", CVPR, 2017.
    .. [4] R. Mottaghi et al., "The role of context for object detection and semantic
       segmentation in the wild", CVPR, 2014.

    Examples
    --------
    >>> from neuraleig.segmentation import load_dataset
    >>> dataset = load_dataset("camvid", "CamVid", "train")  # doctest: +SKIP
    >>> len(dataset), dataset.class_names[:2]  # doctest: +SKIP
    (367, ('Sky', 'Building'))
    """
    if name not in DATASETS:
        raise ValueError(f"name={name!r} must be one of {', '.join(DATASETS)}.")
    known = DATASETS[name]
    if split not in known.splits:
        raise ValueError(
            f"split={split!r} must be one of {', '.join(known.splits)} for {name}."
        )
    table = known.table
    try:
        images, masks = known.find(Path(root), split)
        if masks[0].suffix == ".mat":
            table = label_map_table(layouts.label_list(masks[0].parent), table)
    except (FileNotFoundError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(
            f"{error}\n{name!r} is expected in this layout, ROOT being {root}:\n"
            f"{known.layout}"
        ) from error
    return SegmentationDataset(
        images,
        masks,
        known.class_names,
        split=split,
        name=name,
        reader=TableReader(table),
    )
