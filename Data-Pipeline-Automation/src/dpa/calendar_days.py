"""The days of whole years, with their French names, quarter and ISO week."""

from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

MONTHS: Final = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
WEEKDAYS: Final = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")


def calendar_days(first_year: int, last_year: int) -> pa.Table:
    """Give one row per day from 1 January of `first_year` to 31 December of `last_year`.

    Columns are those of `dim_date`; weeks are those of ISO 8601, whose year may differ from the
    day's around 1 January.
    """
    days = pd.date_range(f"{first_year}-01-01", f"{last_year}-12-31", freq="D")
    weeks = days.isocalendar()
    weekday = days.day_of_week.to_numpy()
    numbers = {
        "annee": days.year,
        "trimestre": days.quarter,
        "mois": days.month,
        "annee_iso": weeks["year"],
        "semaine_iso": weeks["week"],
        "jour_mois": days.day,
        "jour_annee": days.day_of_year,
        "jour_semaine": weekday + 1,
        "est_weekend": weekday >= WEEKDAYS.index("samedi"),
    }
    return pa.table(
        {
            "date_key": _integers(days.year * 10_000 + days.month * 100 + days.day),
            "day": pa.array(days.to_numpy().astype("datetime64[D]")),
            "nom_mois": np.array(MONTHS, dtype=object)[days.month - 1],
            "annee_mois": days.strftime("%Y-%m").to_numpy(dtype=object),
            "nom_jour": np.array(WEEKDAYS, dtype=object)[weekday],
            **{name: _integers(values) for name, values in numbers.items()},
        }
    )


def _integers(values: object) -> pa.Array:
    return pa.array(np.asarray(values).astype(np.int32))
