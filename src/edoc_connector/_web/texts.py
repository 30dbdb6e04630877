"""Two languages: each text of a page stands once, in Vietnamese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import Request

Language = Literal["vi", "en"]
LANGUAGE_COOKIE: Final = "lang"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of a program's pages.

    Args:
        entries: Vietnamese and English by name; ``{…}`` stands for a value.
    """

    entries: Mapping[str, tuple[str, str]]

    def __or__(self, other: Texts) -> Texts:
        """Join two collections; the other's entry counts where both have one."""
        return Texts({**self.entries, **other.entries})

    def get(self, language: Language, name: str, /, **values: object) -> str:
        """Get a text in a language.

        Raises:
            KeyError: there is no such text, or a value is missing.
        """
        vietnamese, english = self.entries[name]
        return (vietnamese if language == "vi" else english).format(**values)


def choose_language(request: Request) -> Language:
    """Choose the language of a request: Vietnamese, unless English was chosen before."""
    return "en" if request.cookies.get(LANGUAGE_COOKIE) == "en" else "vi"


KIT_TEXTS: Final = Texts(
    {
        "kit.skip": ("Đến nội dung chính", "Skip to the main content"),
        "kit.navigation": ("Điều hướng", "Navigation"),
        "kit.light": ("Sáng", "Light"),
        "kit.dark": ("Tối", "Dark"),
        "kit.filter": ("Lọc", "Filter"),
        "kit.clear": ("Bỏ lọc", "Clear"),
        "kit.pages": ("Các trang của danh sách", "Pages of the list"),
        "kit.previous": ("Trang trước", "Previous"),
        "kit.next": ("Trang sau", "Next"),
        "kit.rows": ("{first}–{last} trong {total}", "{first}–{last} of {total}"),
        "kit.none": ("Không có mục nào.", "There is nothing here."),
        "kit.wrong": ("Chưa thực hiện được, xin xem các ô được đánh dấu.", "Nothing was done; see the marked fields."),
    }
)
