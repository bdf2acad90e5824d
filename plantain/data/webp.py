"""One picture as the bytes of a WebP file: written small, and read without trust in what a file says of itself."""

import io

import numpy as np
from PIL import Image

# Small pictures are kept bit for bit; of larger ones that would be megabytes.
_LOSSLESS_SIDE, _QUALITY = 128, 90


def encode(pixels: np.ndarray) -> bytes:
    """A uint8 (height, width, 3) picture as a WebP file: lossless up to 128 × 128 pixels, quality 90 above.

    >>> decode(encode(pixels), *pixels.shape[:2])
    """
    if max(pixels.shape[:2]) <= _LOSSLESS_SIDE:
        # Of a lossless file "quality" is effort alone: 100 takes thirty times as long, and saves no byte here.
        options = {"lossless": True, "quality": 75, "method": 6, "exact": True}
    else:
        options = {"quality": _QUALITY, "method": 4}
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **options)
    return file.getvalue()


def decode(content: bytes, height: int, width: int) -> np.ndarray:
    """The uint8 (height, width, 3) picture in a WebP file of that size.

    Raises ValueError, in a few words: no still WebP picture, another size or mode than expected, or damaged. A file of
    another size is never decoded: a few bytes can declare a gigabyte.
    """
    declared = _declared_size(content)
    if declared is None:
        raise ValueError("is no still WebP picture")
    if declared != (height, width):
        raise ValueError(f"has {declared[1]} × {declared[0]} pixels where {width} × {height} were expected")
    try:
        with Image.open(io.BytesIO(content), formats=["WEBP"]) as image:
            if (image.mode, image.size) != ("RGB", (width, height)):
                raise ValueError(f"is of mode {image.mode} where RGB was expected")
            return np.array(image)
    except (OSError, EOFError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("cannot be decoded") from error


def _declared_size(content: bytes) -> tuple[int, int] | None:
    """Height and width as the header of a simple WebP file declares them; None for any other file.

    Of the WebP container specification, and RFC 6386 (lossy) and RFC 9649 (lossless). Extended files, which may be
    animated or transparent, are not what ``encode`` writes.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    if content[12:16] == b"VP8L" and content[20:21] == b"\x2f":
        bits = int.from_bytes(content[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if content[12:16] == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return height, width
    return None
