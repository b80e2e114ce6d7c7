"""Read the fenced code blocks of a Markdown file; as a script, print one of them."""

import re
import sys
from pathlib import Path

FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


def fenced_blocks(path: Path, language: str) -> list[str]:
    """Return the blocks of `language` in `path`, in reading order."""
    text = path.read_text(encoding="utf-8")
    return [body for name, body in FENCE.findall(text) if name == language]


if __name__ == "__main__":
    file, language, position = sys.argv[1:]
    sys.stdout.write(fenced_blocks(Path(file), language)[int(position) - 1])
