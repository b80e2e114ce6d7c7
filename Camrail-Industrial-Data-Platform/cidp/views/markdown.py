"""Text from elsewhere, shown as it is where Streamlit expects Markdown."""

import re
from collections.abc import Sequence

import streamlit as st

# An underscore inside a word, and a colon before a space or a port, mean nothing to Markdown.
_MARKS = re.compile(r"[\\`*\[\]<>$|~]|(?<!\w)_|_(?!\w)|:(?=[A-Za-z_])|^[#+-]")
# Markdown makes links of bare addresses, however they are escaped; of code it makes none.
_ADDRESS = re.compile(r"(https?://[^\s`]*[^\s`.,;:!?)])")


def plain(text: str) -> str:
    """Put on one line, and escape what Markdown or Streamlit's additions to it would interpret.

    >>> plain("LOCO_001 *a*, voir http://x:5000.")
    'LOCO_001 \\\\*a\\\\*, voir `http://x:5000`.'
    """
    parts = _ADDRESS.split(" ".join(text.split()))
    return "".join(f"`{part}`" if n % 2 else _escaped(part) for n, part in enumerate(parts))


def show_reasons(reasons: Sequence[tuple[str, str]]) -> None:
    """List under a table why some of its rows are as they are, whole: a cell would cut it."""
    if reasons:
        st.markdown("\n".join(f"- **{plain(name)}** : {plain(said)}" for name, said in reasons))


def _escaped(text: str) -> str:
    return _MARKS.sub(lambda mark: f"\\{mark.group()}", text)
