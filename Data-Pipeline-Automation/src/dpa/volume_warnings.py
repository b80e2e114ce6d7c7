"""Volumes that can be read in two ways are told, with the way they were read and the remedy."""

from dpa import french
from dpa.parts import TransactionSource
from dpa.volumes import DoubtfulVolumes


def doubtful_volumes_told(source: TransactionSource, counted: DoubtfulVolumes) -> list[str]:
    """Say how volumes were read that can be read in two ways, and nothing proves which."""
    is_comma = source.conventions.decimal == ","
    decimal, other = ("la virgule", "le point") if is_comma else ("le point", "la virgule")
    grouped, decimals = ("1.234", "1,234") if is_comma else ("1,234", "1.234")
    doubtful = counted + source.doubtful
    found = []
    if doubtful.groups and not doubtful.group_proofs:
        cells = french.plural(doubtful.groups, "volume écrit", "volumes écrits")
        found.append(
            f"{cells} comme « {grouped} », {_read_as(doubtful.groups)} {french.number(1234)} : "
            f"{decimal} étant la décimale de ce fichier, {other} y sépare les milliers. Si {other} "
            "y est parfois une décimale, corrigez ces volumes dans l'export et rechargez-le."
        )
    if doubtful.triples and not doubtful.triple_proofs:
        cells = french.plural(doubtful.triples, "volume écrit", "volumes écrits")
        found.append(
            f"{cells} comme « {decimals} », {_read_as(doubtful.triples)} "
            f"{french.number(1.234, 3)} : rien dans ce fichier ne prouve que {decimal} y est la "
            "décimale, et non un séparateur de milliers. Si c'en est un, dites-le par un fichier "
            f'de correspondance (--mapping, decimal: "{"." if is_comma else ","}") et rechargez.'
        )
    return found


def _read_as(count: int) -> str:
    return "lu" if count == 1 else "lus"
