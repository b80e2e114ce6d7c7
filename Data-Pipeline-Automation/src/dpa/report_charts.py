"""The report's native charts, each drawn from a table of the workbook."""

from typing import Any, Final

from dpa.excel_table import NAVY, NUMBER_FORMATS, Book, Placed

ORANGE: Final = "#C55A11"
CHARTED_BARS: Final = 20
FEW_BARS: Final = 10
ROW_HEIGHT_PX: Final = 20
SITE_WIDTH_PX: Final = 560
DAY: Final = "jour"
WEEK: Final = "semaine"
MONTH: Final = "mois"


def insert_overview(book: Book, sites: Placed, times: Placed, by: str, row: int) -> None:
    """Put the charts by site and by day, week or month (`by`) side by side, from `row` down."""
    chart = site_chart(book, sites)
    sites.sheet.insert_chart(row, 0, chart, {"object_position": 3})
    beside = {"object_position": 3, "x_offset": SITE_WIDTH_PX + 20}
    sites.sheet.insert_chart(row, 0, time_chart(book, times, by), beside)


def overview_rows(sites: int) -> int:
    """Count the rows that the overview of so many sites covers."""
    return -(-_height_px(min(sites, CHARTED_BARS)) // ROW_HEIGHT_PX)


def _height_px(bars: int) -> int:
    return 360 if bars <= FEW_BARS else 500


def site_chart(book: Book, sites: Placed) -> Any:
    """Draw the volume of each site, of the largest when there are many."""
    series = {
        "name": "Volume (t)",
        "categories": _cells(sites, 0, CHARTED_BARS),
        "values": _cells(sites, 1, CHARTED_BARS),
    }
    chart = _chart(book, "bar", f"Volume par site{_first_ones(sites)}", series, "Tonnes")
    chart.set_legend({"none": True})
    chart.set_size({"width": SITE_WIDTH_PX, "height": _height_px(min(sites.count, CHARTED_BARS))})
    return chart


def time_chart(book: Book, times: Placed, by: str) -> Any:
    """Draw the volumes over time, and the critical alerts on an axis of their own."""
    when = _cells(times, 0)
    series = {"name": "Volume (t)", "categories": when, "values": _cells(times, 1)}
    chart = _chart(book, "column", f"Volume et alertes critiques par {by}", series, "Tonnes")
    alerts = book.workbook.add_chart({"type": "line"})
    alerts.add_series(
        {
            "name": "Alertes critiques",
            "categories": when,
            "values": _cells(times, 2),
            "y2_axis": True,
            "line": {"color": ORANGE, "width": 2},
            "marker": {"type": "diamond", "size": 6, "fill": {"color": ORANGE}},
        }
    )
    alerts.set_y2_axis({"name": "Alertes", "min": 0, "num_format": "0"})
    chart.combine(alerts)
    axis = {"num_format": "mm/yy" if by == MONTH else "dd/mm/yy", "num_font": {"rotation": -45}}
    # On an axis of dates a week would be as thin as a day.
    chart.set_x_axis(axis | ({"date_axis": True} if by == DAY else {"text_axis": True}))
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 720, "height": 360})
    return chart


def machine_chart(book: Book, machines: Placed, names: list[str], rates: list[float]) -> Any:
    """Draw the error rate of the first machines; their rows are not yet in the sheet."""
    series = {
        "name": "Taux d'erreur",
        "categories": _cells(machines, 0, CHARTED_BARS),
        "values": _cells(machines, 7, CHARTED_BARS),
        "categories_data": names[:CHARTED_BARS],
        "values_data": rates[:CHARTED_BARS],
        "fill": {"color": ORANGE},
    }
    title = f"Taux d'erreur par machine{_first_ones(machines)}"
    chart = _chart(book, "bar", title, series, "Part du statut ERR", "0 %")
    chart.set_legend({"none": True})
    chart.set_size({"width": 620, "height": 480})
    return chart


def _cells(placed: Placed, column: int, limit: int | None = None) -> list[Any]:
    """Give a column of a table as XlsxWriter's list reference."""
    last = placed.last_row if limit is None else min(placed.last_row, placed.first_row + limit - 1)
    return [placed.sheet.get_name(), placed.first_row, column, last, column]


def _first_ones(placed: Placed) -> str:
    """Say in a chart's title that it shows only the first rows of its table."""
    return f" ({CHARTED_BARS} premiers rangs)" if placed.count > CHARTED_BARS else ""


def _chart(
    book: Book,
    kind: str,
    title: str,
    series: dict[str, Any],
    axis: str,
    num_format: str = NUMBER_FORMATS["integer"],
) -> Any:
    chart = book.workbook.add_chart({"type": kind})
    chart.add_series({"fill": {"color": NAVY}, "border": {"none": True}, "gap": 60, **series})
    chart.set_title({"name": title, "name_font": {"size": 13, "color": NAVY}})
    values = {
        "name": axis,
        "num_format": num_format,
        "min": 0,
        "major_gridlines": {"visible": True, "line": {"color": "#D9D9D9"}},
    }
    if kind == "bar":
        # Reversing the categories moves the values to the top; "high" brings them back down.
        chart.set_x_axis({**values, "label_position": "high"})
        chart.set_y_axis({"reverse": True, "interval_unit": 1, "num_font": {"size": 8}})
    else:
        chart.set_y_axis(values)
    return chart
