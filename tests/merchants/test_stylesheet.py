"""The one stylesheet and the templates: small, readable in light and dark, and fit for the strict content policy."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSS = (ROOT / "static" / "css" / "app.css").read_text()
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
BYTES_MAX = 15_000


def colours(block):
    return {name: _full(value) for name, value in re.findall(r"--([\w-]+): #([0-9a-f]{3,6})\b", block)}


def _full(value):
    return value if len(value) == 6 else "".join(digit * 2 for digit in value)


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


_LIGHT = colours(CSS.split("@media (prefers-color-scheme: dark)")[0])
_DARK = _LIGHT | colours(CSS.split("@media (prefers-color-scheme: dark)")[1].split("}\n}")[0])
TEXT_ON = [
    ("ink", "paper"),
    ("ink", "surface"),
    ("ink", "sunken"),
    ("ink", "tint"),
    ("ink", "grey-tint"),
    ("ink", "good-tint"),
    ("ink", "bad-tint"),
    ("ink", "wait-tint"),
    ("soft", "paper"),
    ("soft", "surface"),
    ("soft", "sunken"),
    ("soft", "grey-tint"),
    ("teal", "paper"),
    ("teal", "surface"),
    ("teal-deep", "tint"),
    ("on-teal", "teal"),
    ("on-teal", "teal-deep"),
    ("good", "good-tint"),
    ("wait", "wait-tint"),
    ("bad", "bad-tint"),
    ("bad", "surface"),
    ("bad", "paper"),
]
SHAPE_ON = [
    ("edge", "surface"),
    ("edge", "paper"),
    ("blossom", "surface"),
    ("blossom", "paper"),
    ("teal", "line"),
]


@pytest.mark.parametrize("theme", [_LIGHT, _DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_is_readable(theme, text, ground):
    assert contrast(theme[text], theme[ground]) >= 4.5


@pytest.mark.parametrize("theme", [_LIGHT, _DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPE_ON)
def test_edges_and_focus_are_visible(theme, shape, ground):
    assert contrast(theme[shape], theme[ground]) >= 3


def test_both_themes_name_the_same_colours():
    light = colours(CSS.split("@media (prefers-color-scheme: dark)")[0])
    dark = colours(CSS.split("@media (prefers-color-scheme: dark)")[1].split("}\n}")[0])
    assert set(light) == set(dark)


def test_the_stylesheet_is_small_and_asks_for_nothing_else():
    assert len(CSS.encode()) < BYTES_MAX
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert ":focus-visible" in CSS


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_needs_nothing_that_the_policy_forbids(path):
    text = path.read_text()
    assert not re.search(r"\sstyle\s*=", text)
    assert not re.search(r"\son\w+\s*=\s*[\"']", text)
    assert "javascript:" not in text
    assert not re.search(r"(?:src|href)=[\"']https?://", text)
    for opening in re.findall(r"<(?:script|style)\b[^>]*>", text):
        assert (
            "nonce=" in opening or re.search(r"src=[\"']{% static", opening) or "application/json" in opening
        )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_every_form_that_posts_carries_its_token(path):
    text = path.read_text()
    for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
        if re.search(r"method=[\"']post", form):
            assert "{% csrf_token %}" in form
