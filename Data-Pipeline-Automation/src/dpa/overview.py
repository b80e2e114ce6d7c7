"""The daily statistics of each site straight from an export, without a warehouse."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd
from loguru import logger

from dpa import french
from dpa.checking import summed_parts
from dpa.drafts import replacing
from dpa.engine import Engine
from dpa.errors import DpaError
from dpa.files import cause
from dpa.parts import CheckedPart, TransactionSource
from dpa.pipeline import extract, open_engine
from dpa.rules import RULES
from dpa.settings import Settings
from dpa.transform import DailyPart, combine_daily_stats, enrich, partial_daily_stats

COLUMNS: Final = (
    "day",
    "site_location",
    "total_volume",
    "total_alerts",
    "active_machines",
    "transaction_count",
)


@dataclass(frozen=True)
class Overview:
    """What an export would put into the warehouse, summed up.

    `stats`: one row per (day, site_location), as in `aggr_daily_site_stats`, `day` being the date
    in Douala. `read = accepted + duplicates` and the rows that `rejected` counts by rule.
    """

    stats: pd.DataFrame
    read: int
    accepted: int
    duplicates: int
    rejected: Mapping[str, int]


@dataclass(frozen=True)
class _PartOverview:
    """What is kept of a part: a few numbers, which travel better than its rows."""

    daily: DailyPart
    read: int
    accepted: int
    duplicates: int
    rejected: Counter[str]


def overview(source: TransactionSource, machines: pd.DataFrame, engine: Engine) -> Overview:
    """Check every row of `source`, join `machines` and sum up by day and site.

    Rows, rejects and duplicates are those that a load would have. Raises SourceError.
    """
    sites = machines[["machine_id", "site_location"]]
    parts = list(summed_parts(source, engine, partial(_part_overview, machines=sites)))
    daily = combine_daily_stats(part.daily for part in parts)
    return Overview(
        stats=_with_days(daily),
        read=sum(part.read for part in parts),
        accepted=sum(part.accepted for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        rejected=sum((part.rejected for part in parts), Counter()),
    )


def _part_overview(part: CheckedPart, machines: pd.DataFrame) -> _PartOverview:
    return _PartOverview(
        daily=partial_daily_stats(enrich(part.accepted, machines)),
        read=part.read,
        accepted=len(part.accepted),
        duplicates=part.duplicates,
        rejected=Counter(part.rejects["rule_code"]),
    )


def _with_days(daily: pd.DataFrame) -> pd.DataFrame:
    days = pd.to_datetime(daily["date_key"].astype("str"), format="%Y%m%d")
    return daily.assign(day=days.dt.strftime("%Y-%m-%d"))[list(COLUMNS)]


def write_overview(settings: Settings, out: Path | None = None) -> str:
    """Sum up the export of `settings` as CSV for French Excel; give what stdout shows.

    The CSV goes to `out`, or to stdout without it; the balance of the rows is logged. Raises
    DpaError, UsageError when `out` is one of the inputs.
    """
    if out is not None:
        settings.refuse_overwritten_input("--out", out)
    extracted = extract(settings, hashed=False)
    with open_engine(settings) as engine:
        found = overview(extracted.transactions.source, extracted.machines.table, engine)
    for sentence in _balance(found):
        logger.info("{}", sentence)
    text = found.stats.to_csv(sep=";", decimal=",", index=False, lineterminator="\n")
    if out is None:
        return text
    try:
        with replacing(out) as draft:
            # Excel takes a CSV without this mark for a Windows-1252 one.
            draft.write_text(text, encoding="utf-8-sig", newline="\n")
    except OSError as error:
        raise DpaError(
            f"{out} : écriture impossible ({cause(error)}) ; fermez le fichier s'il est ouvert "
            "ailleurs, ou donnez un autre chemin à --out."
        ) from error
    return f"{out}\n"


def _balance(found: Overview) -> list[str]:
    rejected = sum(found.rejected.values())
    counts = (
        french.plural(found.read, "ligne lue", "lignes lues"),
        french.plural(found.accepted, "ligne retenue", "lignes retenues"),
        french.plural(rejected, "ligne rejetée", "lignes rejetées"),
        french.plural(found.duplicates, "doublon", "doublons"),
    )
    rules = [
        f"{code} : {french.plural(found.rejected[code], 'ligne rejetée', 'lignes rejetées')}"
        for code in RULES
        if code in found.rejected
    ]
    return [" ; ".join(counts) + ".", *rules]
