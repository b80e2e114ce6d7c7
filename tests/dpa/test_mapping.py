"""Mapping files and the French description of their faults."""

from pathlib import Path

import pytest

from dpa.errors import InvalidMapping, SourceUnreadable
from dpa.mapping import MAX_BYTES, TONNES, ColumnNames, Defaults, Mapping, read_mapping
from dpa.settings import SERVICE_ROOT


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "m.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_an_empty_mapping_is_our_own_layout(tmp_path: Path) -> None:
    assert read_mapping(written(tmp_path, "# rien\n")).mapping == Mapping()


def test_the_template_is_our_own_layout() -> None:
    assert read_mapping(SERVICE_ROOT / "mappings" / "modele.yaml").mapping == Mapping()


def test_the_template_names_every_key() -> None:
    text = (SERVICE_ROOT / "mappings" / "modele.yaml").read_text(encoding="utf-8")
    for model in (Mapping, ColumnNames, Defaults):
        assert [key for key in model.model_fields if key not in text] == []
    assert [unit for unit in TONNES if unit not in text] == []


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("", 1.0),
        ("volume_unit: kg", 0.001),
        ("volume_unit: lb", 0.45359237 / 1000),
        ("volume_unit: short_ton", 2000 * 0.45359237 / 1000),
        ("volume_unit: long_ton", 2240 * 0.45359237 / 1000),
        ("volume_factor: 0.05", 0.05),
    ],
)
def test_volumes_become_tonnes_by_their_unit_or_their_factor(
    tmp_path: Path, text: str, factor: float
) -> None:
    mapping = read_mapping(written(tmp_path, text)).mapping
    assert mapping.conventions().volume_factor == pytest.approx(factor, rel=1e-12)


def test_a_sheet_and_its_header_row_are_named(tmp_path: Path) -> None:
    mapping = read_mapping(written(tmp_path, "sheet: 2\nheader_row: 4\n")).mapping
    assert (mapping.sheet, mapping.header_row) == ("2", 4)


def test_yaml_words_stay_text(tmp_path: Path) -> None:
    mapping = read_mapping(written(tmp_path, "status_codes:\n  NO: ERR\n  0123: OK\n")).mapping
    assert mapping.status_codes == {"NO": "ERR", "0123": "OK"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colonnes: {}", ["« colonnes »", "clé inconnue"]),
        ("columns: {date: ''}", ["« columns.date »", "non vide"]),
        ("columns: [a]", ["« columns »", "groupe de clés"]),
        ("columns: texte", ["« columns »", "groupe de clés"]),
        ("encoding: ebcdic", ["« encoding »", "'cp1252' ou 'iso-8859-15'", "ebcdic"]),
        ("decimal: ';'", ["« decimal »"]),
        ("date_formats: []", ["« date_formats »"]),
        ("date_formats: '%Y'", ["« date_formats »", "liste"]),
        ("date_formats: ['%d %B %Y']", ["« date_formats »", "%B"]),
        ("volume_factor: zéro", ["« volume_factor »", "nombre"]),
        ("volume_factor: 0", ["« volume_factor »", "supérieur à 0"]),
        ("volume_factor: inf", ["« volume_factor »", "fini"]),
        ("volume_factor: 1\nvolume_unit: kg", ["« volume_unit » et « volume_factor »"]),
        ("volume_unit: stère", ["« volume_unit »", "'long_ton'", "stère"]),
        ("header_row: 0", ["« header_row »", "au moins 1"]),
        ("header_row: trois", ["« header_row »", "entier"]),
        ("sheet: ''", ["« sheet »", "non vide"]),
        ("status_codes: {a: BON}", ["« status_codes.a »", "'WARN'"]),
        ("defaults: {transaction_id: x}", ["« defaults.transaction_id »", "inconnue"]),
        ("- a\n- b", ["« document »", "groupe de clés"]),
        ("texte seul", ["« document »", "groupe de clés"]),
        ("columns:\n  date: a\n  date: b", ["ligne 2", "deux fois"]),
        ("columns: {", ["YAML illisible", "ligne 1"]),
        ("a:\n\t- b", ["ligne 2, colonne 1", "tabulation"]),
        ("[" * 5000, ["trop imbriqué"]),
        (b"columns: \xff\xff", ["YAML illisible"]),
        (b"a: \x00", ["YAML illisible"]),
        ("a: 1\n" * MAX_BYTES, ["plus de 1 Mo", "--mapping"]),
    ],
)
def test_a_fault_names_the_file_and_the_key(
    tmp_path: Path, text: str | bytes, words: list[str]
) -> None:
    with pytest.raises(InvalidMapping) as raised:
        read_mapping(written(tmp_path, text))
    for word in ["m.yaml", *words]:
        assert word in str(raised.value)


def test_a_missing_mapping_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"absent\.yaml : fichier introuvable"):
        read_mapping(tmp_path / "absent.yaml")
