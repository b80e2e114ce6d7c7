"""How the people who act may be named in a record."""

import re

MAX_NAME = 80
_LETTERS = "A-Za-z0-9_À-ÖØ-öø-ʯ"
_NAME = re.compile(rf"[{_LETTERS}][{_LETTERS} .,'’@-]{{0,{MAX_NAME - 1}}}")
NAME_EXPECTED = (
    f"un nom de 1 à {MAX_NAME} caractères est attendu : lettres, chiffres, espaces et .,'@-"
)


def is_name(text: str) -> bool:
    """Tell whether a record takes a name: no control character, no start of a formula."""
    return _NAME.fullmatch(text) is not None


def name_of_account(name: str, email: str) -> str:
    """Return the name of an account if a record takes it, or else what it takes of the e-mail.

    >>> name_of_account("Ngo (Douala)", "ngo+rail@example.org")
    'ngo_rail@example.org'
    """
    if is_name(name):
        return name
    return re.sub(rf"^[^{_LETTERS}]|[^{_LETTERS} .,'’@-]", "_", email)[:MAX_NAME]
