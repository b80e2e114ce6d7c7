"""Which transactions the report shows."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from dpa.errors import UsageError


@dataclass(frozen=True)
class Filters:
    """Sites (none given: all of them) and civil days in Douala, both ends included."""

    sites: tuple[str, ...] = ()
    first_day: date | None = None
    last_day: date | None = None


def refuse_unknown_sites(chosen: Iterable[str], known: Iterable[str]) -> None:
    """Raise UsageError for a chosen site that is not among the known ones, naming the nearest."""
    names = sorted(set(known))
    unknown = [site for site in chosen if site not in names]
    if unknown:
        told = [f"« {site} »{_meant(site, names)}" for site in unknown]
        raise UsageError(
            f"--sites : {' ; '.join(told)} : ni dans l'entrepôt ni dans la liste des machines. "
            f"Sites connus : {', '.join(names) or 'aucun'}."
        )


def _meant(site: str, names: list[str]) -> str:
    plain = {_plain(name): name for name in names}
    near = [plain[match] for match in get_close_matches(_plain(site), plain, n=2, cutoff=0.6)]
    return f" (vouliez-vous dire {' ou '.join(near)} ?)" if near else ""


def _plain(name: str) -> str:
    """Leave out capitals and accents, which are what people get wrong."""
    return unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
