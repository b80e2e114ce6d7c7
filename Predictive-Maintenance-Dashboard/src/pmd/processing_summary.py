"""The one JSON document of the processing, as in the contracts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class ProcessingSummary(BaseModel):
    """Where the rows went, see `Account`; every count is 0 when nothing was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["ok", "error"]
    error: str | None
    processed: str | None
    rejects: str | None
    read: Count = 0
    kept: Count = 0
    rejected: Count = 0
    duplicates: Count = 0
    in_repair: Count = 0
    unobserved: Count = 0
    failures: Count = 0
    positives: Count = 0
    rejected_orders: Count = 0
