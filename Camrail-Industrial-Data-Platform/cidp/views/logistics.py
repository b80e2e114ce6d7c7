"""Logistique: the figures of the warehouse, the ETL that fills it, and the rejects to correct."""

from datetime import date
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from cidp.api_answers import KindOfJob, Kpi, Machines, Volumes, WarehouseScope
from cidp.api_client import REJECTS, REPORT, ApiClient, WarehouseFilter
from cidp.api_errors import NotThere, ServiceUnavailable
from cidp.french import day, figure, instant, number, percent, quantity
from cidp.views.access import Access
from cidp.views.address import one_of, say_unusable
from cidp.views.asking import failures_said, reachable
from cidp.views.charts import ALARM, DARK, DAY, INK, SITE_COLORS, french
from cidp.views.job_panel import handed_back, show_jobs, started

TOP = 10
RUNS = 10
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SITES, _FIRST, _LAST, _KNOWN = "sites", "du", "au", "warehouse_known"
KPIS: dict[str, tuple[str, str, int]] = {
    "volume_t": ("Volume", "t", 0),
    "transactions": ("Transactions", "", 0),
    "mean_volume_t": ("Volume moyen", "t", 1),
    "alerts": ("Alertes critiques", "", 0),
    "alert_rate": ("Taux d’alerte", "%", 1),
    "error_rate": ("Taux d’erreur", "%", 1),
    "machines": ("Machines", "", 0),
    "days": ("Jours", "", 0),
}
"""Label, unit and decimals of each figure; a share is shown in percent."""

WORSE_WHEN_HIGHER = {"alerts", "alert_rate", "error_rate"}


def show_logistics(access: Access) -> None:
    """Draw the figures within the filters, then the work that changes them."""
    shown = WarehouseFilter()
    with failures_said():
        client = reachable(access.client)
        try:
            known = client.warehouse_scope()
        except ServiceUnavailable as error:
            st.info(f"{error}", icon=":material/warehouse:")
        else:
            shown = _filters(known)
            _show_figures(client, shown)
    st.subheader("Chargement et rejets", anchor=False)
    with failures_said():
        _show_work(access, shown)


def _filters(known: WarehouseScope) -> WarehouseFilter:
    _follow_the_warehouse(known)
    a_day = partial(_is_day_of, known)
    say_unusable({_SITES: one_of(known.sites), _FIRST: a_day, _LAST: a_day})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sites = st.multiselect(
            "Sites", known.sites, key=_SITES, placeholder="Tous les sites", bind="query-params"
        )
        first = _day("Du", _FIRST, known.first, known)
        last = _day("Au", _LAST, known.last, known)
    if first and last and first > last:
        st.warning("La période finit avant de commencer : elle est ignorée.")
        first = last = None
    return WarehouseFilter(tuple(sites), first, last)


def _is_day_of(known: WarehouseScope, text: str) -> bool:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    return bool(known.first and known.last and known.first <= day <= known.last)


def _follow_the_warehouse(known: WarehouseScope) -> None:
    """Have a day that stood at the old end of the warehouse stand at its new one."""
    before: WarehouseScope = st.session_state.get(_KNOWN, known)
    for key, old, new in ((_FIRST, before.first, known.first), (_LAST, before.last, known.last)):
        if old != new and st.session_state.get(key) == old:
            st.session_state[key] = new
    st.session_state[_KNOWN] = known


def _day(label: str, key: str, end: date | None, known: WarehouseScope) -> date | None:
    """Return the chosen day; None at the end of what the warehouse has."""
    chosen: Any = st.date_input(
        label,
        end,
        min_value=known.first,
        max_value=known.last,
        key=key,
        format="DD/MM/YYYY",
        bind="query-params",
        width=160,
    )
    return chosen if isinstance(chosen, date) and chosen != end else None


def _show_figures(client: ApiClient, shown: WarehouseFilter) -> None:
    kpis = client.kpis(shown)
    if kpis.filters.first and kpis.filters.last:
        before = kpis.previous_period
        compared = (
            f", comparé à la période du {day(before.first)} au {day(before.last)}"
            if before and before.first and before.last
            else ""
        )
        st.caption(f"Du {day(kpis.filters.first)} au {day(kpis.filters.last)}{compared}.")
    figures = [kpi for kpi in kpis.kpis if kpi.name in KPIS]
    for four in (figures[:4], figures[4:8]):
        for kpi, column in zip(four, st.columns(4), strict=False):
            with column:
                _show_kpi(kpi)
    volumes = client.volumes(shown)
    if not volumes.volumes:
        st.info("Aucune transaction dans cette période.", icon=":material/inbox:")
        return
    st.subheader("Volume par site et par jour", anchor=False)
    st.altair_chart(volume_chart(volumes), key="volumes", alt="Volume par site et par jour")
    by_day, by_machine = st.columns(2, gap="large")
    with by_day:
        st.subheader("Alertes critiques par jour", anchor=False)
        st.altair_chart(
            alerts_chart(volumes), key="warehouse_alerts", alt="Alertes critiques par jour"
        )
    with by_machine:
        st.subheader("Taux d’erreur par machine", anchor=False)
        st.altair_chart(
            machines_chart(client.machines(shown, TOP)),
            key="machines",
            alt="Taux d’erreur des machines, la pire d’abord",
        )


def _show_kpi(kpi: Kpi) -> None:
    label, unit, decimals = KPIS[kpi.name]
    change = None if kpi.previous is None else kpi.value - kpi.previous
    said = None
    if change:
        sign = "-" if change < 0 else "+"
        said = f"{sign}{figure(abs(change), unit, decimals)}".replace("%", "pts")
    st.metric(
        label,
        figure(kpi.value, unit, decimals),
        said,
        delta_color="inverse" if kpi.name in WORSE_WHEN_HIGHER else "normal",
        border=True,
    )


def volume_chart(found: Volumes) -> Any:
    """Draw the tonnes of each day, the sites one upon another."""
    frame = pd.DataFrame([row.model_dump() for row in found.volumes])
    sites = sorted(frame["site"].unique())
    return french(
        alt.Chart(frame)
        .mark_bar(stroke=INK, strokeWidth=0.3)
        .encode(
            x=_day_axis(),
            y=alt.Y("sum(volume_t):Q", title="Volume (t)").axis(format=",.0f"),
            color=alt.Color("site:N", title="Site").scale(domain=sites, range=SITE_COLORS),
            tooltip=[
                alt.Tooltip("day:T", title="Jour", format="%d/%m/%Y"),
                alt.Tooltip("site:N", title="Site"),
                alt.Tooltip("sum(volume_t):Q", title="Volume (t)", format=",.1f"),
            ],
        )
        .properties(height=280)
    )


def alerts_chart(found: Volumes) -> Any:
    """Draw the critical alerts of each day."""
    frame = pd.DataFrame([row.model_dump() for row in found.volumes])
    return french(
        alt.Chart(frame)
        .mark_bar(color=ALARM)
        .encode(
            x=_day_axis(),
            y=alt.Y("sum(alerts):Q", title="Alertes"),
            tooltip=[
                alt.Tooltip("day:T", title="Jour", format="%d/%m/%Y"),
                alt.Tooltip("sum(alerts):Q", title="Alertes", format=",.0f"),
            ],
        )
        .properties(height=300)
    )


def machines_chart(found: Machines) -> Any:
    """Draw the share of errors of the worst machines, with the share written beside."""
    frame = pd.DataFrame(
        [
            {
                "name": f"{row.machine}, {row.site}",
                "rate": row.error_rate,
                "said": f"{percent(row.error_rate)} ({row.errors} sur {row.transactions})",
            }
            for row in found.machines
        ]
    )
    most = max(0.01, float(frame["rate"].max()))
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", title=None, sort=list(frame["name"])).axis(labelLimit=220),
        x=alt.X("rate:Q", title="Transactions en erreur")
        .scale(domain=[0, 1.6 * most])
        .axis(format=".0%", tickCount=4),
        tooltip=[
            alt.Tooltip("name:N", title="Machine"),
            alt.Tooltip("said:N", title="Taux d’erreur"),
        ],
    )
    texts = base.mark_text(align="left", dx=4, color=INK).encode(text="said:N")
    return french((base.mark_bar(color=DARK) + texts).properties(height=300))


def _day_axis() -> Any:
    return alt.X("yearmonthdate(day):T", title=None).axis(format=DAY, labelOverlap=True)


def _show_work(access: Access, shown: WarehouseFilter) -> None:
    may_load = access.may("loads")
    running = show_jobs(access, ["etl", "etl-resubmit"], may_stop=may_load)
    kinds = {kind.kind: kind for kind in access.client.jobs().kinds}
    loading, correcting = st.columns(2, gap="large")
    with loading:
        if may_load:
            sources = kinds["etl"].sources if "etl" in kinds else ()
            source = st.selectbox("Export à charger", sources or ("défaut",))
            options = {"source": source} if sources else {}
            st.button(
                "Lancer l’ETL",
                key="run_etl",
                type="primary",
                icon=":material/play_arrow:",
                on_click=started,
                args=(access, "etl", {**options, **shown.options()}),
                disabled=running,
                help="Le rapport montre les sites et les jours choisis plus haut.",
            )
        _download(access.client, REPORT, "Télécharger le rapport Excel")
    with correcting:
        _show_rejects(access, kinds.get("etl-resubmit") if may_load else None, running)
    _show_runs(access.client)


def _download(client: ApiClient, name: str, label: str) -> None:
    """Offer a workbook of the server, or say why there is none."""
    try:
        client.check_workbook(name)
    except NotThere as error:
        st.caption(f":material/description: {error}")
        return
    st.download_button(
        label,
        lambda: client.workbook(name),
        name,
        XLSX,
        key=f"download_{name}",
        icon=":material/download:",
        on_click="ignore",
    )


def _show_rejects(access: Access, resubmit: KindOfJob | None, running: bool) -> None:
    try:
        rejects = access.client.rejects().rejects
    except ServiceUnavailable:
        return
    count = sum(row.open for row in rejects)
    st.markdown(f"**Rejets ouverts : {number(count)}**")
    if rejects:
        listed = [
            {"Règle": row.rule, "Ouverts": row.open, "Au dernier passage": row.in_last_run}
            for row in rejects
        ]
        st.dataframe(pd.DataFrame(listed), hide_index=True, height=180, alt="Rejets par règle")
        _download(access.client, REJECTS, "Télécharger les rejets à corriger")
    if resubmit:
        _hand_back(access, resubmit.workbook_max_bytes, running)


def _hand_back(access: Access, max_bytes: int | None, running: bool) -> None:
    most_mib = (max_bytes or 0) // 2**20
    corrected = st.file_uploader(
        f"Rendre le classeur corrigé (.xlsx{f', {most_mib} Mio au plus' if most_mib else ''})",
        type="xlsx",
        key="corrected",
        max_upload_size=most_mib or None,
    )
    content = corrected.getvalue() if corrected else b""
    st.button(
        "Charger les corrections",
        key="resubmit",
        icon=":material/upload:",
        on_click=handed_back,
        args=(access, corrected.name if corrected else "", content),
        disabled=running or not corrected,
    )


def _show_runs(client: ApiClient) -> None:
    try:
        runs = client.runs(RUNS).runs
    except ServiceUnavailable:
        return
    st.markdown("**Derniers passages**")
    listed = [
        {
            "Début (Douala)": instant(run.started_at),
            "Nature": run.kind,
            "Durée": quantity(run.duration_s, "s", 1),
            "Lues": number(run.read),
            "Chargées": number(run.loaded),
            "Rejetées": number(run.rejected),
            "Doublons": number(run.duplicates),
            "Remplacées": number(run.corrected),
            "Volume": quantity(run.volume_t, "t", 1),
            "Lot": run.run_id,
        }
        for run in runs
    ]
    st.dataframe(pd.DataFrame(listed), hide_index=True, alt="Derniers passages de l’ETL")
