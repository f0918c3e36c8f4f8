"""QR pictures of payment URIs: small one-bit PNGs."""

from __future__ import annotations

import io
from functools import lru_cache

from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.pil import PilImage
from qrcode.main import QRCode

MODULE_PIXELS = 8
# The quiet zone that the standard asks for: scanners find the code on a dark page too.
QUIET_ZONE_MODULES = 4


@lru_cache(maxsize=512)
def png(text: str) -> bytes:
    """A black-on-white PNG (1 bit a pixel) whose QR code, error correction M, reads ``text``."""
    code = QRCode(error_correction=ERROR_CORRECT_M, box_size=MODULE_PIXELS, border=QUIET_ZONE_MODULES)
    code.add_data(text)
    code.make(fit=True)
    buffer = io.BytesIO()
    code.make_image(image_factory=PilImage).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
