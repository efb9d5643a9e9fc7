"""Text in HTML and in Markdown: names come from runs, and runs from anywhere, so every one of them is escaped here.

HTML is made of elements whose text is escaped unless it is an element itself: to write a name as it stands, one would
have to go out of one's way.
"""

from __future__ import annotations

import html
import re

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>$~:@^=&\"'/])")
"""What may begin or end something in Markdown as Streamlit draws it: emphasis, links, images, mathematics, colours."""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *parts: object, **attributes: object) -> Html:
    """`<name attributes>parts</name>`; what is not Html is escaped. `class_` stands for `class`."""
    given = "".join(f' {key.rstrip("_")}="{html.escape(str(value), quote=True)}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{''.join(escaped(part) for part in parts)}</{name}>")


def escaped(part: object) -> Html:
    """Html as it is, anything else as its text."""
    return part if isinstance(part, Html) else Html(html.escape(str(part)))


def together(*parts: object) -> Html:
    return Html("".join(escaped(part) for part in parts))


def plain(text: object) -> str:
    """The text for Markdown, shown as it is written: on one line, with nothing in it that Markdown would act on."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def cell_text(text: object) -> str:
    """The text for a cell of a Markdown table that is pasted elsewhere: names stay legible as source, while what would
    end the cell or begin an image, a link, HTML or code is escaped."""
    return re.sub(r"([\\`*\[\]|<>$])", r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """The text as a name in Markdown: between backticks, which it can then not hold itself."""
    words = " ".join(str(text).split()).replace("`", "'")
    return f"`{words}`" if words else "` `"
