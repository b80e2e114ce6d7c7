"""The rejects workbook: the analyst's own rows, each with what to correct, to be given back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dpa.cells import Conventions
from dpa.csv_records import DELIMITERS
from dpa.drafts import replacing
from dpa.dwh_url import DwhUrl
from dpa.errors import ReportNotWritten
from dpa.excel_table import LINE_HEIGHT_PT, MAX_ROWS, NAVY, RED, Book, shortened
from dpa.files import cause
from dpa.french import plural
from dpa.rejects_sheet import (
    GUIDE,
    HEADER_AT,
    NOTES,
    NOTES_PIECE,
    NOTES_TOP,
    OUR_COLUMNS,
    SHEET,
    VERSION,
    Notes,
    Reading,
    labels,
)
from dpa.rejects_to_correct import Batch, batches
from dpa.report_columns import Column
from dpa.rules import RULES, Rule
from dpa.warehouse import reading

MAX_COMMENTS: Final = 2_000
"""Notes on cells are heavy; past these, the column « À corriger » alone names the cells."""
MAX_CELL: Final = 16_000
"""Characters of a cell; it holds 32,767 UTF-16 units, two for some characters."""
_BATCH_ROWS: Final = 50_000
_TEXT: Final = {"num_format": "@", "valign": "top", "text_wrap": True}
_WHOLE_LINE: Final = "toute la ligne"
_PATTERN_WORDS: Final = {"%Y": "AAAA", "%y": "AA", "%m": "MM", "%d": "JJ", "%b": "mmm (anglais)"}

Faults = dict[int, Rule]


def write_rejects(path: Path, url: DwhUrl, run_id: str, busy_timeout_s: float) -> int:
    """Write the open rejects of a run under the header of its file; give their number.

    Without a reject nothing is written, and an earlier workbook stays. Raises ReportNotWritten, an
    earlier workbook being intact then, or WarehouseError.
    """
    with reading(url, busy_timeout_s) as reader:
        found = batches(reader, run_id)
    for batch in found:
        save(path, batch)
    return sum(batch.rejects.num_rows for batch in found)


def save(path: Path, batch: Batch) -> None:
    """Write a workbook in its place; raises ReportNotWritten, an earlier one being intact then."""
    try:
        with replacing(path) as draft:
            _book(path, batch).save(draft)
    except OSError as error:
        raise ReportNotWritten(
            f"{path} : le classeur des lignes à corriger n'a pas pu être écrit ({cause(error)}) ; "
            "fermez-le s'il est ouvert dans Excel, vérifiez le dossier, puis relancez. Les rejets "
            "restent dans l'entrepôt : main_pipeline.py rejets --export les écrit aussi."
        ) from error


def _book(path: Path, batch: Batch) -> Book:
    book = Book()
    guide_title = "Corriger les lignes rejetées et les rendre"
    guide = book.sheet(GUIDE, guide_title, f"{batch.files}, lot {batch.run_id}")
    total = batch.rejects.num_rows
    shown = batch.rejects.slice(0, MAX_ROWS)
    _fill_guide(book, guide, path, batch.reading, total - shown.num_rows)
    count = plural(total, "ligne à corriger", "lignes à corriger")
    sheet = book.sheet(
        SHEET, "Lignes rejetées", f"{count} ; la feuille {GUIDE} dit comment les rendre."
    )
    _fill_rows(book, sheet, batch.reading, shown)
    _fill_notes(book, batch)
    guide.activate()
    return book


def _fill_guide(book: Book, sheet: Worksheet, path: Path, reading: Reading, left_out: int) -> None:
    step = book.format("step", bold=True, color=NAVY, valign="top", font_size=12)
    text = book.format("guide", text_wrap=True, valign="top")
    sheet.set_column(0, 0, 5)
    sheet.set_column(1, 1, 110)
    lines = guide_lines(path, reading.mapping.conventions(), left_out)
    for row, line in enumerate(lines, start=HEADER_AT):
        sheet.write_string(row, 0, f"{row - HEADER_AT + 1}.", step)
        sheet.write_string(row, 1, line, text)
        sheet.set_row(row, LINE_HEIGHT_PT * (2 + len(line) // 105))


def guide_lines(path: Path, conventions: Conventions, left_out: int) -> list[str]:
    """Tell the analyst, step by step, what to do with the workbook at `path`."""
    dates = " ou ".join(_readable(pattern) for pattern in conventions.date_formats)
    mark = "la virgule" if conventions.decimal == "," else "le point"
    codes = ", ".join(dict.fromkeys(["OK", "WARN", "ERR", *conventions.status_codes]))
    lines = [
        f"Ouvrez la feuille « {SHEET} » : ce sont vos lignes, dans vos colonnes. Les cellules en "
        "gras sur fond rouge sont à corriger ; la colonne « À corriger » les nomme, « Motif » et "
        "« Remède » disent pourquoi et comment.",
        f"Corrigez les cellules sur place. Dates : {dates}. Séparateur décimal : {mark}. "
        f"Statuts : {codes}. Une vraie date ou un vrai nombre d'Excel convient aussi.",
        "Vous pouvez trier, filtrer et supprimer des lignes ; une ligne supprimée reste ouverte "
        "parmi les rejets. N'ajoutez pas de ligne, ne changez ni les titres ni la colonne masquée "
        "« Clé » : elle rattache chaque ligne à son origine.",
        "Enregistrez en .xlsx et fermez le classeur. Sur le tableau de bord, page « Logistique », "
        "choisissez-le sous « Rendre le classeur corrigé », puis cliquez sur « Charger les "
        "corrections ».",
        "Sans tableau de bord, lancez dans le dossier Data-Pipeline-Automation/src, avec vos "
        "options habituelles (--dwh, --machines) :",
        f'python main_pipeline.py --resubmit "{path.absolute()}"',
        "Seules ces lignes sont chargées ; les rejets qu'elles corrigent sont clos, celles qui ont "
        "encore une erreur sont rendues dans un nouveau classeur.",
    ]
    if left_out:
        lines.append(
            plural(left_out, "autre ligne ne tient", "autres lignes ne tiennent")
            + " pas dans ce classeur : à retrouver dans la table « rejets » de l'entrepôt. Mieux "
            "vaut corriger l'export à sa source."
        )
    return lines


def _readable(pattern: str) -> str:
    for directive, word in _PATTERN_WORDS.items():
        pattern = pattern.replace(directive, word)
    return pattern


def _fill_rows(book: Book, sheet: Worksheet, layout: Reading, rejects: pa.Table) -> None:
    names = labels(layout.header)
    columns = [
        *(Column(name, max_width=44) for name in names[:-1]),
        Column(names[-1], max_width=90),
    ]
    cells, bad, first_faults = _cells(layout, names, rejects)
    width = len(layout.header)
    book.add_table(sheet, HEADER_AT, "T_A_corriger", columns, cells.num_rows, 0)
    first = HEADER_AT + 1
    ours = [_our_format(book)] * len(OUR_COLUMNS)
    forms = [[*[_own_format(book)] * width, *ours], [*[_bad_format(book)] * width, *ours]]
    models = {at: pa.array(marks) for at, marks in enumerate(bad)}
    book.put(sheet, first, columns, shortened(cells, MAX_CELL), forms, models)
    for at in range(width, len(names)):
        sheet.write_string(HEADER_AT, at, names[at], _our_header(book))
    key = len(names) - 1
    sheet.set_column(key, key, None, None, {"hidden": True})
    refusal = {
        "validate": "custom",
        "value": "=FALSE()",
        "error_title": "Clé",
        "error_message": "Cette clé rattache la ligne à son origine : ne la modifiez pas.",
    }
    sheet.data_validation(first, key, first + cells.num_rows - 1, key, refusal)
    sheet.freeze_panes(first, 0)
    sheet.repeat_rows(HEADER_AT)
    _comment(sheet, first, first_faults)


def _own_format(book: Book) -> Format:
    return book.format("own", **_TEXT, border=1, border_color="#D9D9D9")


def _bad_format(book: Book) -> Format:
    return book.format(
        "bad", **_TEXT, bold=True, color=RED, bg_color="#FFC7CE", border=2, border_color=RED
    )


def _our_format(book: Book) -> Format:
    return book.format(
        "ours", **_TEXT, italic=True, bg_color="#F2F2F2", border=1, border_color="#D9D9D9"
    )


def _our_header(book: Book) -> Format:
    return book.format("our_header", bold=True, color="white", bg_color="#595959", border=1)


def _cells(
    layout: Reading, names: Sequence[str], rejects: pa.Table
) -> tuple[pa.Table, list[list[int]], list[Faults]]:
    """Give the texts of the sheet; by column of the analyst, where a cell is at fault (1); and the
    faults of the first rows."""
    bad: list[list[int]] = [[] for _ in layout.header]
    first_faults: list[Faults] = []
    parts = []
    for batch in rejects.to_batches(_BATCH_ROWS):
        rows = [_row(layout, reject) for reject in batch.to_pylist()]
        columns = zip(*(texts for texts, _ in rows), strict=True)
        parts.append(pa.table([_filled(texts) for texts in columns], list(names)))
        for _, faults in rows:
            for at, marks in enumerate(bad):
                marks.append(int(at in faults))
        first_faults += [faults for _, faults in rows[: MAX_COMMENTS - len(first_faults)]]
    return pa.concat_tables(parts), bad, first_faults


def _filled(texts: Sequence[str]) -> pa.Array:
    """Leave cells without text empty, which Excel sorts and filters as such."""
    return pa.array([text or None for text in texts], pa.string())


def _row(layout: Reading, reject: dict[str, Any]) -> tuple[list[str], Faults]:
    """Give the texts of one row of the sheet, and the rules that its cells break."""
    codes = [reject["rule_code"], *filter(None, reject["other_rules"].split(", "))]
    rules = [RULES[code] for code in codes]
    texts, line = list(json.loads(reject["raw_row"]).values()), ""
    if rules[0].column:
        faults = _faults(layout, rules)
    else:
        line = texts[0]
        texts = cut(line, len(layout.header))
        faults = dict.fromkeys(range(len(texts)), rules[0])
    named = ", ".join(layout.header[at] or f"Colonne {at + 1}" for at in faults)
    return [
        *texts,
        _WHOLE_LINE if line else named,
        ", ".join(codes),
        " ".join([reject["reason"], *(rule.sentence for rule in rules[1:])]),
        " ".join([reject["remedy"], *(rule.remedy for rule in rules[1:])]),
        reject["source_file"],
        reject["source_sheet"],
        str(reject["source_line"]),
        line,
        row_key(reject["reject_key"], reject["source_sha256"]),
    ], faults


def _faults(layout: Reading, rules: Sequence[Rule]) -> Faults:
    """Give the position and the rule of each cell at fault, the first rule of each."""
    places = [(layout.columns.get(rule.column), rule) for rule in rules]
    return dict(sorted({at: rule for at, rule in reversed(places) if at is not None}.items()))


def row_key(reject_key: int, source_sha256: str) -> str:
    """Write what attaches a row of the sheet to its reject, in this very warehouse."""
    return f"{reject_key}-{source_sha256}"


def cut(line: str, width: int) -> list[str]:
    """Cut a malformed line into `width` cells, as far as it lets itself be cut.

    The delimiter is the one that comes nearest to `width` fields; what is too much stays in the
    last cell.
    """
    mark = min(DELIMITERS, key=lambda mark: abs(line.count(mark) - (width - 1)))
    fields = line.split(mark, width - 1)
    return fields + [""] * (width - len(fields))


def _comment(sheet: Worksheet, first: int, first_faults: Sequence[Faults]) -> None:
    """Hang the reason on the cells at fault, on the first of each row when the whole row is."""
    for row, faults in enumerate(first_faults, start=first):
        told = list(faults.items())
        is_whole_row = any(not rule.column for _, rule in told)
        for at, rule in told[:1] if is_whole_row else told:
            note = f"{rule.sentence}\n{rule.remedy}"
            sheet.write_comment(row, at, note, {"x_scale": 2, "author": "CAMRAIL"})


def _fill_notes(book: Book, batch: Batch) -> None:
    """Write the hidden sheet."""
    notes = Notes(
        version=VERSION,
        run_id=batch.run_id,
        header=batch.reading.header,
        mapping=batch.reading.mapping,
        mapping_path=batch.mapping_path,
        mapping_sha256=batch.mapping_sha256,
    ).text()
    sheet = book.workbook.add_worksheet(NOTES)
    sheet.write_string(0, 0, NOTES_TOP)
    for row, start in enumerate(range(0, len(notes), NOTES_PIECE), start=1):
        sheet.write_string(row, 0, notes[start : start + NOTES_PIECE])
    sheet.very_hidden()
