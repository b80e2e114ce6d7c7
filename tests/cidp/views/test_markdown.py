import pytest

from cidp.views.markdown import plain


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("LOCO_001 : risque de 2,7 %", "LOCO_001 : risque de 2,7 %"),
        ("voir http://127.0.0.1:5000/.", "voir `http://127.0.0.1:5000/`."),
        ("(https://x/a_b_c?d=*e*), _f_", r"(`https://x/a_b_c?d=*e*`), \_f\_"),
        ("http://x`y`", r"`http://x`\`y\`"),
        ("_a_ *b* `c`", r"\_a\_ \*b\* \`c\`"),
        (":red[x] :smile: [l](u) <b> $1$", r"\:red\[x\] \:smile: \[l\](u) \<b\> \$1\$"),
        ("# titre\n- point", r"\# titre - point"),
    ],
)
def test_text_from_elsewhere_is_shown_as_it_is(text: str, escaped: str) -> None:
    assert plain(text) == escaped
