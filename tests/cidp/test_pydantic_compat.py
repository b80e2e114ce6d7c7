"""Models mean the same on Pydantic 1.10 and on 2: this file runs on both."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from cidp.pydantic_compat import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PydanticCustomError,
    TypeAdapter,
    ValidationError,
)


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    number: Annotated[float, Field(gt=0, le=10)] = 1.0
    count: Annotated[int | None, Field(ge=1)] = None
    flag: bool = False


class Below(Part):
    rate: float = 0.5


def screen(value: object) -> object:
    if value == "refuse":
        raise PydanticCustomError("own_kind", "refused on purpose")
    return value


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    part: Part = Part()
    name: Annotated[
        str, BeforeValidator(screen), Field(pattern=r"^[a-z]{1,3}$"), AfterValidator(str.upper)
    ] = "a"
    size: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    kind: Literal["x", "y"] = "x"
    sign: Literal[-1, 0, 1] = 0
    rows: Annotated[list[list[float]], Field(min_length=1, max_length=2)] = [[1.0]]  # noqa: RUF012 (a model copies it)
    table: dict[str, dict[str, float | None]] = {}  # noqa: RUF012
    scopes: tuple[Literal["a", "b"], ...] = ()
    instant: AwareDatetime | None = None
    path: Annotated[Path, Field(strict=False)] = Path("x")


def kinds(raw: str, model: type[BaseModel] = Whole) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(raw)
    details = caught.value.errors(include_input=False, include_url=False)
    return {".".join(map(str, d["loc"])): d["type"] for d in details}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"part": {"number": 0}}', {"part.number": "greater_than"}),
        ('{"part": {"number": 11}}', {"part.number": "less_than_equal"}),
        ('{"part": {"number": "1"}}', {"part.number": "float_type"}),
        ('{"part": {"number": true}}', {"part.number": "float_type"}),
        ('{"part": {"number": null}}', {"part.number": "float_type"}),
        ('{"part": {"number": NaN}}', {"part.number": "finite_number"}),
        ('{"part": {"count": 0}}', {"part.count": "greater_than_equal"}),
        ('{"part": {"count": "1"}}', {"part.count": "int_type"}),
        ('{"part": {"flag": 1}}', {"part.flag": "bool_type"}),
        ('{"part": {"other": 1}}', {"part.other": "extra_forbidden"}),
        ('{"part": []}', {"part": "model_type"}),
        ('{"name": 1}', {"name": "string_type"}),
        ('{"name": "abcd"}', {"name": "string_pattern_mismatch"}),
        ('{"name": "a\\n"}', {"name": "string_pattern_mismatch"}),
        ('{"name": "refuse"}', {"name": "own_kind"}),
        ('{"size": "a"}', {"size": "string_too_short"}),
        ('{"size": "abcd"}', {"size": "string_too_long"}),
        ('{"rows": []}', {"rows": "too_short"}),
        ('{"rows": [[], [], []]}', {"rows": "too_long"}),
        ('{"rows": [[1], 2]}', {"rows.1": "list_type"}),
        ('{"rows": [[Infinity]]}', {"rows.0.0": "finite_number"}),
        ('{"table": {"a": {"b": NaN}}}', {"table.a.b": "finite_number"}),
        ('{"instant": "2026-03-01T12:00:00"}', {"instant": "timezone_aware"}),
        ("{", {"": "json_invalid"}),
        ('{"name": "\\ud800"}', {"": "json_invalid"}),
        ("[]", {"": "model_type"}),
        ('{"x": 1, "y": 2}', {"x": "extra_forbidden", "y": "extra_forbidden"}),
    ],
)
def test_what_is_refused_has_the_same_place_and_kind(raw: str, expected: dict[str, str]) -> None:
    assert kinds(raw) == expected


@pytest.mark.parametrize("raw", ['{"kind": "z"}', '{"sign": 2}', '{"scopes": ["a", "c"]}'])
def test_what_is_not_of_a_closed_list_is_refused(raw: str) -> None:
    assert len(kinds(raw)) == 1


def test_what_is_read_is_the_same() -> None:
    whole = Whole.model_validate_json(
        '{"part": {"number": 2, "count": 3}, "name": "ab", "sign": -1, "rows": [[1, 2.5]],'
        ' "table": {"a": {"b": null, "c": 1}}, "scopes": ["b", "a"], "path": "a/b",'
        ' "instant": "2026-03-01T13:00:00+01:00"}'
    )
    assert whole.part == Part(number=2.0, count=3)
    assert (whole.name, whole.sign, whole.rows) == ("AB", -1, [[1.0, 2.5]])
    assert whole.table == {"a": {"b": None, "c": 1.0}}
    assert (whole.scopes, whole.path) == (("b", "a"), Path("a/b"))
    assert whole.instant == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_content_of_a_yaml_file_is_read_as_well() -> None:
    instant = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert Whole.model_validate({"instant": instant, "scopes": ["a"]}).instant == instant


@pytest.mark.parametrize("content", [{1: 2}, 3, None, [["name", "a"]]])
def test_what_is_no_model_is_refused(content: Any) -> None:
    with pytest.raises(ValidationError):
        Part.model_validate(content)


def test_a_model_below_another_is_as_strict() -> None:
    assert kinds('{"rate": NaN}', Below) == {"rate": "finite_number"}
    assert kinds('{"other": 1}', Below) == {"other": "extra_forbidden"}


def test_a_copy_changes_what_it_is_told_and_no_model_can_be_written() -> None:
    part = Part()
    assert part.model_copy(update={"count": 5}) == Part(count=5)
    with pytest.raises((ValueError, TypeError)):
        part.count = 5  # type: ignore[misc]  # what the test is about


def test_a_model_is_written_the_same() -> None:
    whole = Below()
    assert whole.model_dump_json() == '{"number":1.0,"count":null,"flag":false,"rate":0.5}'
    dumped = Whole(instant=datetime(2026, 3, 1, 12, tzinfo=UTC), scopes=("a",))
    assert dumped.model_dump(mode="json", exclude_defaults=True) == {
        "instant": "2026-03-01T12:00:00Z",
        "scopes": ["a"],
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "too_short"),
        ([{}] * 3, "too_long"),
        ({}, "list_type"),
        ([{}, {"flag": 1}], "bool_type"),
    ],
)
def test_a_list_of_models_is_checked_by_an_adapter(content: Any, expected: str) -> None:
    adapter = TypeAdapter(Annotated[list[Part], Field(min_length=1, max_length=2)])
    assert adapter.validate_python([{"count": 2}]) == [Part(count=2)]
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(content)
    assert [detail["type"] for detail in caught.value.errors()] == [expected]
