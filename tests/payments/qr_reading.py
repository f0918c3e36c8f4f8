"""Reading QR pictures with zbar, as a phone's camera would: the judge is a program that is not ours."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest
from PIL import Image

ZBARIMG = shutil.which("zbarimg")


def read(png: bytes, *, shown_pixels: int | None = None) -> str:
    """What zbarimg reads in the picture, scaled to ``shown_pixels`` a side first when told."""
    if ZBARIMG is None:
        pytest.skip(
            "zbarimg is not installed (Debian: apt install zbar-tools): QR pictures were not read back"
        )
    picture = Image.open(io.BytesIO(png)).convert("L")
    if shown_pixels is not None:
        picture = picture.resize((shown_pixels, shown_pixels), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    command = [ZBARIMG, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", "PNG:-"]
    answer = subprocess.run(command, input=buffer.getvalue(), capture_output=True, timeout=20, check=False)
    return answer.stdout.decode().removesuffix("\n")
