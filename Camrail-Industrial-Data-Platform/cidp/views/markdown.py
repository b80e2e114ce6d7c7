"""Text from elsewhere, shown as it is where Streamlit expects Markdown."""

import re

# An underscore inside a word, and a colon before a space or a port, mean nothing to Markdown.
_MARKS = re.compile(r"[\\`*\[\]<>$|~]|(?<!\w)_|_(?!\w)|:(?=[A-Za-z_])|^[#+-]")


def plain(text: str) -> str:
    """Put on one line, and escape what Markdown or Streamlit's additions to it would interpret.

    >>> plain("LOCO_001 *a*")
    'LOCO_001 \\\\*a\\\\*'
    """
    return _MARKS.sub(lambda mark: f"\\{mark.group()}", " ".join(text.split()))
