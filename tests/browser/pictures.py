"""A picture of a page, small enough for a document: 256 colours, packed well.

The browser itself counts the colours; what it writes has all of them, and is three times as large.
Kept are one of each kind, so that a small red word stays red, and then the commonest.
"""

import base64
import struct
import zlib
from itertools import chain
from typing import Final

from playwright.async_api import Page

_COUNT: Final = """async picture => {
  const image = new Image();
  image.src = "data:image/png;base64," + picture;
  await image.decode();
  const {width, height} = image;
  const canvas = new OffscreenCanvas(width, height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const pixels = canvas.getImageData(0, 0, width, height).data;
  const colours = new Uint32Array(width * height);
  const counts = new Map();
  for (let n = 0; n < colours.length; n++) {
    const colour = pixels[4 * n] << 16 | pixels[4 * n + 1] << 8 | pixels[4 * n + 2];
    colours[n] = colour;
    counts.set(colour, (counts.get(colour) || 0) + 1);
  }
  const common = [...counts].sort((a, b) => b[1] - a[1]).map(one => one[0]);
  const alike = new Map();
  for (const colour of common) {
    const kind = colour & 0xf0f0f0;
    if (!alike.has(kind)) alike.set(kind, colour);
  }
  const palette = [...new Set([...[...alike.values()].slice(0, 160), ...common])].slice(0, 256);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  const apart = (a, b) => [16, 8, 0].reduce(
    (sum, bits) => sum + ((a >> bits & 255) - (b >> bits & 255)) ** 2, 0);
  for (const colour of counts.keys()) {
    if (places.has(colour)) continue;
    let best = 0;
    palette.forEach((one, place) => {
      if (apart(one, colour) < apart(palette[best], colour)) best = place;
    });
    places.set(colour, best);
  }
  let text = "";
  for (const colour of colours) text += String.fromCharCode(places.get(colour));
  return {width, height, palette, indexes: btoa(text)};
}"""


async def small(page: Page, picture: bytes) -> bytes:
    """Return a picture with fewer colours.

    Args:
        page: any whose scripts may be run; nothing of it changes.
        picture: a PNG.
    """
    seen = await page.evaluate(_COUNT, base64.b64encode(picture).decode())
    width, height = seen["width"], seen["height"]
    indexes = base64.b64decode(seen["indexes"])
    rows = b"".join(b"\0" + indexes[n : n + width] for n in range(0, len(indexes), width))
    colours = bytes(chain.from_iterable((c >> 16, c >> 8 & 255, c & 255) for c in seen["palette"]))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", colours),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    """Return a part of a PNG (RFC 2083, 3.2)."""
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
