"""The body of a request as bytes, never more of it than a route takes."""

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge


def read_body(asked: Request, max_bytes: int) -> bytes:
    """Return the whole body of `asked`; raises `RequestEntityTooLarge` beyond `max_bytes`."""
    environ = asked.environ
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal() and len(length) < 10 and "HTTP_TRANSFER_ENCODING" not in environ:
        if int(length) > max_bytes:
            raise RequestEntityTooLarge
        known: bytes = environ["wsgi.input"].read(int(length))
        return known
    # Without a Content-Length werkzeug cuts a long body and says nothing: read one byte more.
    asked.max_content_length = max_bytes + 1
    raw = asked.get_data(cache=False)
    if len(raw) > max_bytes:
        raise RequestEntityTooLarge
    return raw
