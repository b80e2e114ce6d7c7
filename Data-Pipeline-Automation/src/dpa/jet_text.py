"""Text of an Access database, in a code page (Jet 3) or in UTF-16 that may be shortened."""

from typing import Final

from dpa.jet_file import JetError

_COMPRESSED: Final = b"\xff\xfe"


def text_of(raw: bytes, encoding: str) -> str:
    """Decode text, which Jet 4 may have shortened by leaving out zero bytes; raise JetError."""
    try:
        if encoding == "utf-16-le" and raw.startswith(_COMPRESSED):
            return _expanded(raw[2:]).decode(encoding)
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise JetError("texte indécodable") from error


def _expanded(raw: bytes) -> bytes:
    """Undo Unicode compression: a zero byte switches between one byte and two per character."""
    out, at, is_short = bytearray(), 0, True
    while at < len(raw):
        if raw[at] == 0:
            is_short = not is_short
            at += 1
        elif is_short:
            end = raw.find(0, at)
            end = len(raw) if end < 0 else end
            out += raw[at:end].decode("latin-1").encode("utf-16-le")
            at = end
        else:
            out += raw[at : at + 2]
            at += 2
    return bytes(out)
