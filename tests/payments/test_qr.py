"""The QR picture says the payment URI, is read by a foreign reader at the size shown, and stays small."""

import io

import pytest
from PIL import Image

from payments import qr
from tests.payments.qr_reading import read

BITCOIN_URI = "bitcoin:bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr?amount=0.00036765"
TOKEN_URI = (
    "ethereum:0xdAC17F958D2ee523a2206206994597C13D831ec7@31337/transfer"
    "?address=0x9858EfFD232B4033E47d90003D41EC34EcaEda94&uint256=25252525252525"
)


@pytest.mark.parametrize("uri", [BITCOIN_URI, TOKEN_URI])
def test_a_foreign_reader_reads_the_uri(uri):
    assert read(qr.png(uri)) == uri


@pytest.mark.parametrize("uri", [BITCOIN_URI, TOKEN_URI])
@pytest.mark.parametrize("shown_pixels", [304, 240])
def test_it_is_read_at_the_size_of_a_phone_and_of_a_small_phone(uri, shown_pixels):
    assert read(qr.png(uri), shown_pixels=shown_pixels) == uri


def test_it_has_one_bit_a_pixel_and_weighs_less_than_two_kilobytes():
    assert Image.open(io.BytesIO(qr.png(TOKEN_URI))).mode == "1"
    assert len(qr.png(TOKEN_URI)) < 2_000


def test_it_keeps_a_quiet_zone_of_four_modules():
    picture = Image.open(io.BytesIO(qr.png(BITCOIN_URI))).convert("L")
    left, top, right, bottom = picture.point(lambda pixel: 255 - pixel).getbbox()
    quiet = qr.MODULE_PIXELS * 4
    assert (left, top, right, bottom) == (quiet, quiet, picture.width - quiet, picture.height - quiet)
