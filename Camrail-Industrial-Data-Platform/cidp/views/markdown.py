"""Text from elsewhere, shown as it is where Streamlit expects Markdown."""

import re

_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!:$|~])")


def plain(text: str) -> str:
    """Escape every character that Markdown, or Streamlit's additions to it, would interpret.

    >>> plain("LOCO_001 *a*")
    'LOCO\\\\_001 \\\\*a\\\\*'
    """
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
