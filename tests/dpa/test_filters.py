"""Unknown sites are refused with the names that were probably meant."""

import pytest

from dpa.errors import UsageError
from dpa.filters import refuse_unknown_sites

KNOWN = ["Douala", "Yaoundé", "Edéa", "Ngaoundéré"]


@pytest.mark.parametrize(
    ("site", "meant"),
    [
        ("douala", "Douala"),
        ("Yaounde", "Yaoundé"),
        ("Dwala", "Douala"),
        ("NGAOUNDERE", "Ngaoundéré"),
    ],
)
def test_the_nearest_site_is_named(site: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"« {site} » \\(vouliez-vous dire {meant}"):
        refuse_unknown_sites([site], KNOWN)


def test_a_name_like_no_other_gets_the_list_of_known_ones() -> None:
    with pytest.raises(UsageError, match=r"« Paris » : ni dans .*: Douala, Edéa, Ngaoundéré"):
        refuse_unknown_sites(["Douala", "Paris"], KNOWN)


def test_known_sites_pass() -> None:
    refuse_unknown_sites(["Edéa", "Douala"], KNOWN)
    refuse_unknown_sites([], [])
