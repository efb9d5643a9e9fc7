"""Widgets whose value stands in the URL, so that a view can be sent; values survive a change of page.

The URL is read when a session starts and written at the end of every run of the script, with the parameters of the
widgets that were drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import streamlit as st

from workbench.show.markup import plain

T = TypeVar("T")


def _values() -> dict[str, list[str]]:
    """Parameter → its values as text, from the URL at first, from the widgets from then on."""
    if "url_values" not in st.session_state:
        st.session_state["url_values"] = {name: st.query_params.get_all(name) for name in st.query_params}
    found: dict[str, list[str]] = st.session_state["url_values"]
    return found


def read() -> None:
    """Called first in every run of the script. Where the visitor has gone back or forward, or edited the address,
    widgets take their values from the URL again."""
    values, drawn = _values(), st.session_state.get("url_drawn", [])
    at = _address()
    gone = at != st.session_state.get("url_left", at) and not _is_changed(values, drawn)
    if gone:
        for name in {*at, *drawn}:
            st.session_state.pop(name, None)
            values.pop(name, None)
        values |= at
    st.session_state["url_came_to"] = at if gone else None
    st.session_state["url_drawn"] = []


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _is_changed(values: Mapping[str, list[str]], drawn: Sequence[str]) -> bool:
    """Whether a widget has another value than it had: then the visitor has used it, and its URL is still to come."""
    for name in drawn:
        now = st.session_state.get(name)
        none = now is None or now is False  # 0 is a slider's value
        texts = [str(value) for value in now] if isinstance(now, list | tuple) else [] if none else [str(now)]
        if texts != values.get(name, []):
            return True
    return False


def write() -> None:
    """Called last: the URL gets the values of the widgets that were drawn. One that somebody came back to stays as it
    is where it says the same: writing it anew would cut off the way forward."""
    drawn = {name: values for name, values in _values().items() if name in st.session_state["url_drawn"] and values}
    at, came_to = _address(), st.session_state["url_came_to"]
    says_the_same = came_to is not None and all(drawn.get(name) == values for name, values in came_to.items())
    if at != drawn and not says_the_same:
        st.query_params.from_dict(drawn)
        at = drawn
    st.session_state["url_left"] = at


def choose(
    widget: Callable[..., T | None], label: str, options: Sequence[T], name: str, default: int = 0, **more: Any
) -> T | None:
    """One of `options` by a widget such as st.selectbox; None where there are none."""
    if not options:
        return None
    by_text = {str(option): option for option in options}
    known = [by_text[text] for text in _values().get(name, []) if text in by_text]
    _prepare(name, options, known[0] if known else options[min(default, len(options) - 1)])
    chosen = widget(label, options, key=name, **more)
    _keep(name, [] if chosen is None else [str(chosen)])
    return chosen


def choose_several(
    label: str, options: Sequence[T], name: str, default: Sequence[T] = (), **more: Any
) -> tuple[T, ...]:
    """Any number of `options`; none chosen means that all are admitted."""
    by_text = {str(option): option for option in options}
    texts = _values().get(name, [str(value) for value in default])
    known = [by_text[text] for text in texts if text in by_text]
    present = [value for value in st.session_state.get(name, known) if value in options]
    st.session_state[name] = present
    chosen = tuple(st.multiselect(label, options, key=name, **more))
    _keep(name, [str(value) for value in chosen])
    return chosen


def axis_of(label: str, axes: Sequence[str], name: str, default: str | None) -> str | None:
    """One of an operation's axes, which a person of any operation has named; None where there are none."""
    place = axes.index(default) if default in axes else 0
    return choose(st.segmented_control, label, axes, name, place, required=True, format_func=plain)


def switched(widget: Callable[..., bool], label: str, name: str) -> bool:
    """On or off, by st.toggle or st.checkbox; off unless the URL says on."""
    _prepare(name, (True, False), _values().get(name) == [str(True)])
    on = widget(label, key=name)
    _keep(name, [str(True)] if on else [])
    return on


def number(label: str, name: str, least: int, most: int, default: int, step: int = 1) -> int:
    """A whole number by a slider."""
    digits = [text for text in _values().get(name, []) if re.fullmatch("[0-9]{1,9}", text)]
    texts = [text for text in digits if least <= int(text) <= most]
    current = st.session_state.get(name)
    if not isinstance(current, int) or not least <= current <= most:
        st.session_state[name] = int(texts[0]) if texts else min(most, max(least, default))
    value = int(st.slider(label, least, most, step=step, key=name))
    _keep(name, [str(value)])
    return value


def set_values(values: Mapping[str, str | Sequence[str]]) -> None:
    """Gives widgets other values; to be called before they are drawn (in a callback)."""
    for name, value in values.items():
        _values()[name] = [value] if isinstance(value, str) else list(value)
        st.session_state.pop(name, None)


def _prepare(name: str, options: Sequence[Any], value: Any) -> None:
    """A widget's state must be one of its options before it is drawn."""
    if st.session_state.get(name) not in options:
        st.session_state[name] = value


def _keep(name: str, values: list[str]) -> None:
    _values()[name] = values
    st.session_state["url_drawn"].append(name)
