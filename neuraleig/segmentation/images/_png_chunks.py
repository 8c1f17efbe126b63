"""What a PNG holds, by the headers of its chunks."""

from __future__ import annotations

import os
from typing import IO

SIGNATURE_BYTES = 8
METADATA = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}


def has_late_metadata(file: IO[bytes]) -> bool:
    """Whether metadata follow the pixels, where an opened image does not know them.

    Parameters
    ----------
    file : binary file
        A PNG; its position is left as it was.

    Returns
    -------
    late : bool
        Pixels are not read: the time is that of a seek per chunk.
    """
    position = file.tell()
    file.seek(SIGNATURE_BYTES)
    behind = late = False
    while not late and len(head := file.read(8)) == 8:
        name = head[4:]
        behind = behind or name == b"IDAT"
        late = behind and name in METADATA
        # The content and its checksum.
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    file.seek(position)
    return late
