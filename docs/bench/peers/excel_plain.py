"""Workbooks without this program: pandas + openpyxl, and calamine alone."""

import sqlite3
from contextlib import closing

import fastexcel
import pandas as pd
import python_calamine


def dump(dwh: str, report: str) -> None:
    """Write the transactions of a warehouse as plain cells on one sheet, as pandas does it."""
    with closing(sqlite3.connect(dwh)) as connection:
        rows = pd.read_sql_query("SELECT * FROM v_transactions", connection)
    rows.to_excel(report, sheet_name="Transactions", index=False, engine="openpyxl")


def read_openpyxl(workbook: str) -> int:
    """Read a sheet with pandas and openpyxl."""
    return len(pd.read_excel(workbook, engine="openpyxl"))


def read_calamine_rows(workbook: str) -> int:
    """Read a sheet with calamine into lists of Python values."""
    sheet = python_calamine.CalamineWorkbook.from_path(workbook).get_sheet_by_index(0)
    return len(sheet.to_python()) - 1


def read_calamine_arrow(workbook: str) -> int:
    """Read a sheet with calamine straight into Arrow columns."""
    return int(fastexcel.read_excel(workbook).load_sheet(0).to_arrow().num_rows)
