"""A person at a desk without eyes: opens pages, fills in the forms that are on them, and presses the buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


class PageBroken(Exception):
    """A page did not answer as a person needs it; the message quotes what it said instead."""


@dataclass
class Form:
    """A form as it came: where it goes, and what stands in its fields before anybody types."""

    action: str = ""
    values: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    """Reads a page's forms, and the text of the elements that have an id or say an error."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text_by_id: dict[str, str] = {}
        self.errors: list[str] = []
        self._select = ""
        self._textarea = ""
        self._id: str | None = None
        self._is_error = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._id = values.get("id")
        self._is_error = "error" in values.get("class", "")
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "input" and self.forms and "name" in values:
            self._input(values)
        elif tag == "button" and self.forms and "name" in values:
            self.forms[-1].names.add(values["name"])
        elif tag == "select" and self.forms:
            self._select = values.get("name", "")
            self.forms[-1].names.add(self._select)
        elif tag == "option" and self._select and "selected" in values:
            self.forms[-1].values.setdefault(self._select, []).append(values.get("value", ""))
        elif tag == "textarea" and self.forms and "name" in values:
            self._textarea = values["name"]
            self.forms[-1].names.add(self._textarea)
            self.forms[-1].values[self._textarea] = [""]

    def _input(self, values: dict[str, str]) -> None:
        kind, name = values.get("type", "text"), values["name"]
        self.forms[-1].names.add(name)
        if kind in {"submit", "button", "image", "file"}:
            return
        if kind in {"checkbox", "radio"} and "checked" not in values:
            return
        default = "on" if kind == "checkbox" else ""
        self.forms[-1].values.setdefault(name, []).append(values.get("value", default))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._textarea = ""
        self._id, self._is_error = None, False

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1].values[self._textarea] = [data.strip()]
        if self._id:
            self.text_by_id[self._id] = data.strip()
        if self._is_error and data.strip():
            self.errors.append(data.strip())


class Browser:
    """One person's browser: cookies, the page before the eyes, and its forms."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, follow_redirects=True, trust_env=False, timeout=30)
        self.url = ""
        self.text = ""
        self._page = _Forms()

    def open(self, path: str) -> None:
        """Open a page. Raises PageBroken."""
        self._show(self._client.get(path, headers={"Accept-Language": "en"}))

    def submit(self, **typed: str | list[str]) -> None:
        """Type into the fields of the one form that has them all, and send it; other fields go as they stand.

        Raises:
            PageBroken: no such form, or the answer is an error page.
        """
        fitting = [form for form in self._page.forms if typed.keys() <= form.names]
        if not fitting:
            raise PageBroken(f"{self.url}: no form with {', '.join(typed)}")
        form = fitting[0]
        data = {
            **form.values,
            **{name: value if isinstance(value, list) else [value] for name, value in typed.items()},
        }
        action = urljoin(self.url, form.action)
        # Django compares the Referer of a secure form; a browser always sends one.
        self._show(
            self._client.post(action, data=data, headers={"Referer": self.url, "Accept-Language": "en"})
        )

    def expect_page(self, path: str) -> None:
        """Check that the page before the eyes is at ``path`` (its beginning). Raises PageBroken with the form's errors."""
        if not httpx.URL(self.url).path.startswith(path):
            raise PageBroken(
                f"{self.url} instead of {path}: {'; '.join(self._page.errors) or 'no error shown'}"
            )

    def text_of(self, element_id: str) -> str:
        """The text of the element with this id. Raises PageBroken."""
        try:
            return self._page.text_by_id[element_id]
        except KeyError:
            raise PageBroken(f"{self.url}: nothing called {element_id}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _show(self, response: httpx.Response) -> None:
        self.url, self.text = str(response.url), response.text
        if response.status_code != httpx.codes.OK:
            raise PageBroken(f"{self.url}: HTTP {response.status_code}")
        self._page = _Forms()
        self._page.feed(self.text)
