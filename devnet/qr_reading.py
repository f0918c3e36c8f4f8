"""Reading a QR code out of a picture, as a phone's camera would, with zbar."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

from PIL import Image, UnidentifiedImageError

READER = Path(__file__).with_suffix(".mjs")
SECONDS_MAX = 20


class QrUnreadable(Exception):
    """There is no picture, or not exactly one code in it."""


def read_qr(picture: bytes) -> str:
    """What the one QR code in ``picture`` (PNG, JPEG, …) says.

    Raises:
        QrUnreadable: not a picture, no code, or several.
    """
    try:
        image = Image.open(io.BytesIO(picture)).convert("L")
    except UnidentifiedImageError as error:
        raise QrUnreadable("not a picture") from error
    node = shutil.which("node")
    if node is None:
        raise QrUnreadable("node is not installed: it runs zbar (apt-get install nodejs)")
    finished = subprocess.run(
        [node, str(READER), str(image.width), str(image.height)],
        input=image.tobytes(),
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    if finished.returncode:
        raise QrUnreadable(finished.stderr.decode(errors="replace").strip())
    found = finished.stdout.decode().splitlines()
    if len(found) != 1:
        raise QrUnreadable(f"{len(found)} codes in the picture")
    return found[0]
