"""What the words on the pages mean, behind one button: the glossary's own text."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

GLOSSARY = Path(__file__).resolve().parents[1] / "docs" / "glossary.md"


def words() -> None:
    with st.popover("Words", width="stretch", help="what floor, noise, rung and the others mean"):
        st.markdown(glossary())


def glossary() -> str:
    """The list of words, without the heading before it and the table of figures behind it."""
    if not GLOSSARY.is_file():
        return "The glossary, `docs/glossary.md`, is not beside this dashboard."
    return GLOSSARY.read_text().partition("\n")[2].partition("## Figures")[0].strip()
