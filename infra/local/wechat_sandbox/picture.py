"""A stand-in for a mini-program code: a PNG whose pattern follows from its content."""

import hashlib
import struct
import zlib

_MODULES = 24
_QUIET = 2
_BLACK, _WHITE = 0, 255


def code_png(content: str, width: int) -> bytes:
    """Return a square greyscale PNG of the given width in pixels (at least one per module)."""
    scale = width // (_MODULES + 2 * _QUIET)
    if scale < 1:
        raise ValueError(f"{width} pixels are too few for {_MODULES} modules")
    bits = _bits(content)
    margin = (width - scale * _MODULES) // 2
    blank = bytes([_WHITE]) * width
    rows = [blank] * width
    for line in range(_MODULES):
        cells = bits[line * _MODULES : (line + 1) * _MODULES]
        pixels = b"".join(bytes([_BLACK if cell else _WHITE]) * scale for cell in cells)
        row = (blank[:margin] + pixels + blank)[:width]
        rows[margin + line * scale : margin + (line + 1) * scale] = [row] * scale
    header = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    image = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", image) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _bits(content: str) -> list[bool]:
    needed = _MODULES * _MODULES
    stream = hashlib.shake_256(content.encode()).digest(needed // 8)
    return [bool(byte >> shift & 1) for byte in stream for shift in range(8)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
