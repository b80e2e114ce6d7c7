import pytest

from dpa.jet_file import JetError
from dpa.jet_text import text_of


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        ("Edéa 貨".encode("utf-16-le"), "Edéa 貨"),
        (b"\xff\xfeEd\xe9a", "Edéa"),
        (b"\xff\xfe", ""),
        (b"\xff\xfeab\x00\xa8\x8c\x69\x72\x00cd", "ab貨物cd"),
    ],
)
def test_text_may_be_shortened(raw: bytes, text: str) -> None:
    assert text_of(raw, "utf-16-le") == text


def test_old_text_is_in_a_code_page() -> None:
    assert text_of(b"\xff\xfe\x80", "cp1252") == "ÿþ€"


@pytest.mark.parametrize("raw", [b"\xff\xfea\x00\x34\xd8", b"\x00\xd8\x00\x00", b"abc"])
def test_text_that_cannot_be_decoded_is_refused(raw: bytes) -> None:
    with pytest.raises(JetError, match="indécodable"):
        text_of(raw, "utf-16-le")
