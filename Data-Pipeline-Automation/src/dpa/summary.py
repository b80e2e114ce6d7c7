"""The one JSON document that `main_pipeline.py --json` prints."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class EtlSource(BaseModel):
    """One input file of the run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["transactions", "machines"]
    path: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    rows: Count
    sheet: str


class EtlSummary(BaseModel):
    """What a run did; `read = loaded + rejected + duplicates` whatever its end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[
        Literal["ok", "committed_with_warnings", "error", "unknown"],
        Field(
            description="Exit code 0: ok. 3: committed_with_warnings, with too many rejects or "
            "without a workbook. 1 and 2: error, nothing has changed; or unknown, the server "
            "vanished while it committed, and run_id is what to look for."
        ),
    ]
    error: str | None
    run_id: str | None
    dwh: str
    report: str | None
    rejects_workbook: str | None
    engine: Literal["pandas", "dask"]
    read: Count
    loaded: Count
    rejected: Count
    duplicates: Count
    skipped: Annotated[int, Field(ge=0, description="Rows before --since, not read.")]
    inserted: Count
    corrected: Count
    open_rejects: Annotated[
        int, Field(ge=0, description="Rejects still to correct in the whole warehouse, after this.")
    ]
    rejects_by_rule: dict[str, Count]
    warnings: list[str]
    sources: list[EtlSource]
    total_volume: Annotated[float, Field(description="Tonnes in the rows loaded by this run.")]
    duration_s: Annotated[float, Field(ge=0)]


def failed(
    error: str,
    dwh: str,
    duration_s: float,
    engine: Literal["pandas", "dask"] = "pandas",
    lost_run_id: str | None = None,
) -> EtlSummary:
    """Build the document of a run that changed nothing, or of a lost one, of which nobody knows."""
    return EtlSummary(
        status="unknown" if lost_run_id else "error",
        error=error,
        run_id=lost_run_id,
        dwh=dwh,
        report=None,
        rejects_workbook=None,
        engine=engine,
        read=0,
        loaded=0,
        rejected=0,
        duplicates=0,
        skipped=0,
        inserted=0,
        corrected=0,
        open_rejects=0,
        rejects_by_rule={},
        warnings=[],
        sources=[],
        total_volume=0.0,
        duration_s=duration_s,
    )
