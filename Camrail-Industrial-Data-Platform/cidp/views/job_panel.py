"""The server's work on a page: what runs now with its progress, and how the last one ended."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import streamlit as st

from cidp.api_answers import Job
from cidp.api_errors import ApiError
from cidp.french import counted, instant, number
from cidp.views.access import Access
from cidp.views.asking import failures_said, reachable, show_api_error
from cidp.views.markdown import plain

REFRESH_S = 1.0
STATES = {
    "running": "en cours",
    "cancelling": "arrêt demandé",
    "succeeded": "succès",
    "failed": "échec",
    "cancelled": "arrêt",
    "interrupted": "interruption par l’arrêt de l’API",
}
RUNNING = {"running", "cancelling"}
FELL_BACK = "La base d’événements ne répondait pas : entraîné sur les données d’amorçage."
_FAILED = "job_failed"


def newest(jobs: Sequence[Job], kinds: Collection[str]) -> Job | None:
    """Return the newest job of some kinds."""
    return next((job for job in jobs if job.kind in kinds), None)


def show_jobs(access: Access, kinds: Sequence[str], *, may_stop: bool) -> bool:
    """Draw the newest job of `kinds`; return whether one is running.

    While it runs its progress renews itself, beside the button that stops it for who `may_stop`;
    at its end the whole page is drawn anew.
    """
    if failed := st.session_state.pop(_FAILED, None):
        show_api_error(failed)
    found = reachable(access.client).jobs()
    job = newest(found.jobs, kinds)
    if job is None:
        return False
    label = found.label(job.kind)
    if job.state in RUNNING:
        st.fragment(_follow, run_every=REFRESH_S)(access, job.id, label, may_stop)
        return True
    _show_end(reachable(access.client).job(job.id), label)
    return False


def started(access: Access, kind: str, options: dict[str, object]) -> None:
    """Start a job for the person; a refusal is shown where the jobs are."""
    try:
        access.client.start_job(kind, options, access.person)
    except ApiError as error:
        st.session_state[_FAILED] = error


def handed_back(access: Access, name: str, workbook: bytes) -> None:
    """Hand a corrected workbook to the ETL; a refusal is shown where the jobs are."""
    try:
        access.client.resubmit(name, workbook, access.person)
    except ApiError as error:
        st.session_state[_FAILED] = error


def _follow(access: Access, job_id: str, label: str, may_stop: bool) -> None:
    with failures_said():
        job = reachable(access.client).job(job_id)
        if job.state not in RUNNING:
            st.rerun()
        step = plain(job.progress.text) if job.progress else "démarrage"
        percent = job.progress.percent if job.progress else None
        st.progress((percent or 0) / 100, f"{_title(job, label)} : {step}")
        if may_stop:
            st.button(
                "Arrêter",
                key=f"cancel_{job_id}",
                icon=":material/stop_circle:",
                disabled=job.state == "cancelling",
                on_click=_cancel,
                args=(access, job_id),
            )


def _cancel(access: Access, job_id: str) -> None:
    try:
        access.client.cancel_job(job_id, access.person)
    except ApiError as error:
        st.session_state[_FAILED] = error


def _title(job: Job, label: str) -> str:
    by = plain(job.on_behalf_of or job.started_by)
    return f"{plain(label)} (par {by}, le {instant(job.started_at)})"


def _show_balance(result: Mapping[str, Any]) -> None:
    """Say what became of the lines of a load, and where those to correct are."""
    read, loaded, rejected = (int(result.get(name, 0)) for name in ("read", "loaded", "rejected"))
    taken = f"{number(loaded)} chargée{'s' * (loaded > 1)}"
    said = f"{_lines(read)} : {taken}, {number(rejected)} à corriger"
    if duplicates := int(result.get("duplicates", 0)):
        said += f", {number(duplicates)} en double"
    if not rejected:
        st.caption(f"{said}.")
        return
    rules = ", ".join(
        f"{rule} : {number(count)}" for rule, count in (result.get("rejects_by_rule") or {}).items()
    )
    st.warning(
        f"{said}{f' ({plain(rules)})' if rules else ''}. « Télécharger les rejets à corriger » "
        "donne chacune, avec son motif et son remède.",
        icon=":material/edit_note:",
    )


def _lines(count: int) -> str:
    return f"{counted(count, 'ligne')} lue{'s' if count > 1 else ''}"


def _show_end(job: Job, label: str) -> None:
    line = f"{_title(job, label)} : **{STATES[job.state]}**"
    if job.state == "succeeded":
        result = job.result or {}
        st.caption(f":material/task_alt: {line}.")
        if "loaded" in result:
            _show_balance(result)
        for warning in result.get("warnings") or ():
            st.warning(plain(str(warning)), icon=":material/rule:")
        if result.get("fell_back"):
            st.warning(FELL_BACK, icon=":material/rule:")
        for model in result.get("models") or ():
            done = "promu" if model["promoted"] else "gardé au registre, non promu"
            st.caption(plain(f"Modèle {model['slot']} {model['version']} {done} ; {model['why']}."))
        return
    st.warning(f"{line}. {plain(job.error or '')}", icon=":material/error:")
    if job.log_tail:
        with st.expander("Fin du journal"):
            st.code("\n".join(job.log_tail), language=None)
