"""Take the pictures of the ETL's workbooks: python docs/screenshots/take_workbook_pictures.py.

Runs the ETL on its committed samples, everything it writes being in a temporary folder, and prints
both workbooks. Needs LibreOffice (soffice) and poppler (pdftotext, pdftoppm) on the PATH, and
Pillow, which Streamlit brings along.
"""

import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

from openpyxl import load_workbook
from PIL import Image

PICTURES = Path(__file__).parent
LAUNCHER = PICTURES.parents[1] / "Data-Pipeline-Automation" / "src" / "main_pipeline.py"
WORKBOOKS = {"dpa_rapport": "rapport_supply_chain.xlsx", "dpa_rejets": "rejets_a_corriger.xlsx"}
SECOND_HALF = ("--from=2026-01-16", "--to=2026-01-30")
"""Half of the samples' days, so that the indicators have a period before to be compared with."""
WIDTH_PX = 1400
COLOURS = 128
GUIDE = "Consigne"
"""Not pictured: it shows the workbook's path on the machine that wrote it."""


def main() -> int:
    """Take every picture; return the exit code."""
    missing = [name for name in ("soffice", "pdftotext", "pdftoppm") if not shutil.which(name)]
    if missing:
        sys.stderr.write(f"Programmes absents : {', '.join(missing)}.\n")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_etl(folder)
        for prefix, workbook in WORKBOOKS.items():
            picture_sheets(folder / workbook, prefix)
    return 0


def run_etl(folder: Path) -> None:
    """Load the samples into a warehouse of their own and write both workbooks."""
    outputs = (f"--dwh={folder / 'dwh.sqlite'}", f"--report={folder / WORKBOOKS['dpa_rapport']}")
    subprocess.run([sys.executable, str(LAUNCHER), *outputs, *SECOND_HALF], check=True)  # noqa: S603


def picture_sheets(workbook: Path, prefix: str) -> None:
    """Picture the first printed page of each visible sheet, found by its title."""
    command = ["soffice", "--headless", "--convert-to", "pdf", "--outdir", str(workbook.parent)]
    subprocess.run([*command, str(workbook)], check=True, capture_output=True)  # noqa: S603
    printed = workbook.with_suffix(".pdf")
    text = subprocess.run(  # noqa: S603
        ["pdftotext", "-layout", str(printed), "-"],  # noqa: S607
        check=True, capture_output=True, text=True, encoding="utf-8",
    ).stdout  # fmt: skip
    firsts = [page.strip().split("\n")[0].strip() for page in text.split("\f")]
    page = 0
    book = load_workbook(workbook)
    for sheet in book:
        if sheet.sheet_state == "visible" and sheet.title != GUIDE:
            page = firsts.index(str(sheet["A1"].value), page) + 1
            save(printed, page, f"{prefix}_{slug(sheet.title)}")
    book.close()


def slug(title: str) -> str:
    """Write a sheet's name as a file's name."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return plain.lower().replace(" ", "_")


def save(printed: Path, page: int, name: str) -> None:
    """Write one page as a picture beside this script."""
    size = ("-scale-to-x", str(WIDTH_PX), "-scale-to-y", "-1")
    place = ("-f", str(page), "-l", str(page), "-singlefile", "-png")
    command = ["pdftoppm", *size, *place, str(printed), str(PICTURES / name)]
    subprocess.run(command, check=True)  # noqa: S603
    picture = PICTURES / f"{name}.png"
    Image.open(picture).quantize(COLOURS).save(picture, optimize=True)
    sys.stdout.write(f"{picture.name}\n")


if __name__ == "__main__":
    raise SystemExit(main())
