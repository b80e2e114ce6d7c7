"""Accepted transactions meet their machine and get their critical alert."""

import pandas as pd

from dpa.columns import ALERT_STATUSES, ALERT_VOLUME_TONNES, MACHINE_COLUMNS, UNKNOWN


def critical_alerts(rows: pd.DataFrame) -> "pd.Series[int]":
    """Flag (0/1) the rows in status WARN or ERR with less than 20 tonnes transferred."""
    degraded = rows["status_code"].isin(ALERT_STATUSES)
    return (degraded & rows["volume_transferred"].lt(ALERT_VOLUME_TONNES)).astype("int64")


def enrich(rows: pd.DataFrame, machines: pd.DataFrame) -> pd.DataFrame:
    """Add `site_location`, `installation_year` and `critical_alert` to accepted rows.

    A machine that `machines` (unique machine_id) does not know gets the site "Inconnu" and no
    year; its rows stay.
    """
    joined = rows.merge(
        machines[list(MACHINE_COLUMNS)], on="machine_id", how="left", validate="many_to_one"
    )
    return joined.assign(
        site_location=joined["site_location"].fillna(UNKNOWN),
        critical_alert=critical_alerts(joined),
    )


def unknown_machines(rows: pd.DataFrame) -> list[str]:
    """List the machines of enriched rows that the machine list does not know, sorted."""
    return sorted(rows.loc[rows["site_location"].eq(UNKNOWN), "machine_id"].unique())
