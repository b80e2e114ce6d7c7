"""Pydantic 2's way of declaring and checking models, on Pydantic 1.10 as well.

The API is written for Pydantic 2, and there these names are its own. On 1.10 the second half of
this module gives the same names, for what the API declares: scalar fields with bounds, `Literal`,
lists, tuples, dictionaries, other models, and None beside them. Both give the same kinds of errors;
1.10 checks every model as strictly as a strict one of Pydantic 2, except that text becomes a path
or an instant.
"""

from typing import TYPE_CHECKING

import pydantic

PYDANTIC_1 = pydantic.VERSION.startswith("1.")

if TYPE_CHECKING or not PYDANTIC_1:
    from pydantic import (
        AfterValidator,
        AwareDatetime,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        TypeAdapter,
        ValidationError,
    )
    from pydantic_core import ErrorDetails, PydanticCustomError
else:  # pragma: no cover - the tests of the API run once on 1.10 as well, in .ci/run
    import json
    import math
    import re
    from datetime import datetime
    from functools import reduce
    from operator import or_
    from pathlib import Path
    from types import NoneType, UnionType
    from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Union, get_args, get_origin

    from pydantic.error_wrappers import ErrorWrapper
    from pydantic.errors import PydanticValueError
    from pydantic.main import ModelMetaclass

    ErrorDetails = dict[str, Any]
    ConfigDict = dict

    class Field:
        """The bounds of a value."""

        def __init__(self, **bounds: Any) -> None:
            self.bounds = bounds

    class AfterValidator(NamedTuple):
        """A function that a checked value goes through."""

        call: Any

    class BeforeValidator(NamedTuple):
        """A function that a value goes through before it is checked."""

        call: Any

    class AwareDatetime(datetime):
        """Marks a field as an instant with its offset."""

    class PydanticCustomError(PydanticValueError):
        """One refused value: the kind of Pydantic 2, and the numbers that its message needs."""

        msg_template = "refused"

        def __init__(self, kind: str, _: str = "", **context: Any) -> None:
            super().__init__(kind=kind, **context)

    class ValidationError(pydantic.ValidationError):
        """An error of Pydantic 1 that tells its details in the words of Pydantic 2."""

        def errors(self, **_: bool) -> list[ErrorDetails]:
            return [_detail(error) for error in super().errors()]

    def _detail(error: dict[str, Any]) -> ErrorDetails:
        context = error.get("ctx", {})
        kind = context.get("kind") or _KINDS.get(error["type"], error["type"])
        place = tuple(part for part in error["loc"] if part != "__root__")
        return {"type": kind, "loc": place, "ctx": context}

    _KINDS = {
        "value_error.missing": "missing",
        "value_error.extra": "extra_forbidden",
        "type_error.list": "list_type",
        "type_error.dict": "model_type",
        "value_error.list.min_items": "too_short",
        "value_error.list.max_items": "too_long",
    }

    def _float(value: object, rule: "_Rule") -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise PydanticCustomError("float_type")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if rule.finite and not math.isfinite(number):
            raise PydanticCustomError("finite_number")
        return number

    def _int(value: object, _: "_Rule") -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise PydanticCustomError("int_type")
        return value

    def _str(value: object, _: "_Rule") -> str:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type")
        return value

    def _bool(value: object, _: "_Rule") -> bool:
        if not isinstance(value, bool):
            raise PydanticCustomError("bool_type")
        return value

    def _path(value: object, _: "_Rule") -> Path:
        if not isinstance(value, str | Path):
            raise PydanticCustomError("path_type")
        return Path(value)

    def _instant(value: object, _: "_Rule") -> datetime:
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.upper())
            except ValueError:
                raise PydanticCustomError("datetime_parsing") from None
        if not isinstance(value, datetime):
            raise PydanticCustomError("datetime_type")
        if value.tzinfo is None:
            raise PydanticCustomError("timezone_aware")
        return value

    _SCALARS = {
        float: (_float, "float_type"),
        int: (_int, "int_type"),
        str: (_str, "string_type"),
        bool: (_bool, "bool_type"),
        Path: (_path, "path_type"),
        AwareDatetime: (_instant, "datetime_type"),
    }

    class _Rule(NamedTuple):
        """What one scalar field asks of its value."""

        kind: type
        bounds: dict[str, Any]
        before: list[Any]
        after: list[Any]
        finite: bool

        def check(self, value: Any) -> Any:
            for call in self.before:
                value = call(value)
            value = _SCALARS[self.kind][0](value, self)
            self._check_bounds(value)
            for call in self.after:
                value = call(value)
            return value

        def _check_bounds(self, value: Any) -> None:
            bounds = self.bounds
            if "gt" in bounds and not value > bounds["gt"]:
                raise PydanticCustomError("greater_than", gt=bounds["gt"])
            if "ge" in bounds and not value >= bounds["ge"]:
                raise PydanticCustomError("greater_than_equal", ge=bounds["ge"])
            if "le" in bounds and not value <= bounds["le"]:
                raise PydanticCustomError("less_than_equal", le=bounds["le"])
            if "min_length" in bounds and len(value) < bounds["min_length"]:
                raise PydanticCustomError("string_too_short")
            if "max_length" in bounds and len(value) > bounds["max_length"]:
                raise PydanticCustomError("string_too_long")
            if "pattern" in bounds and not re.fullmatch(bounds["pattern"], value):
                raise PydanticCustomError("string_pattern_mismatch")

    def _scalar(rule: _Rule) -> type:
        """Make the type by which Pydantic 1 applies `rule`."""

        def validators(cls: type) -> Any:
            yield rule.check

        return type(
            rule.kind.__name__,
            (),
            {
                "__get_validators__": classmethod(validators),
                "none_kind": _SCALARS[rule.kind][1],
            },
        )

    def _translated(declared: Any, finite: bool) -> Any:
        """Return the annotation of Pydantic 1 that means what `declared` means to Pydantic 2."""
        metadata: tuple[Any, ...] = ()
        if get_origin(declared) is Annotated:
            declared, *rest = get_args(declared)
            metadata = tuple(rest)
        fields = [item.bounds for item in metadata if isinstance(item, Field)]
        bounds = {name: bound for field in fields for name, bound in field.items()}
        if declared is NoneType:
            return NoneType
        if declared in _SCALARS:
            before = [item.call for item in metadata if isinstance(item, BeforeValidator)]
            after = [item.call for item in metadata if isinstance(item, AfterValidator)]
            return _scalar(_Rule(declared, bounds, before, after, finite))
        origin, inner = get_origin(declared), get_args(declared)
        if origin is None or origin is Literal:
            return declared
        if origin in (Union, UnionType):
            # The bounds of `Annotated[X | None, ...]` are those of X.
            kinds = [Annotated[part, *metadata] if metadata else part for part in inner]
            return reduce(or_, (_translated(kind, finite) for kind in kinds))
        parts = tuple(part if part is ... else _translated(part, finite) for part in inner)
        if origin is list:
            return pydantic.conlist(
                parts[0], min_items=bounds.get("min_length"), max_items=bounds.get("max_length")
            )
        return origin[parts]

    class _Meta(ModelMetaclass):
        """Reads `model_config` and the annotations as Pydantic 2 would."""

        def __new__(mcs, name: str, bases: Any, namespace: Any, **options: Any) -> Any:
            wanted = namespace.pop("model_config", {})
            inherited = next((b._finite for b in bases if hasattr(b, "_finite")), False)
            finite = not wanted["allow_inf_nan"] if "allow_inf_nan" in wanted else inherited
            namespace["_finite"] = finite
            known = {key: wanted[key] for key in ("extra", "frozen") if key in wanted}
            if known:
                namespace["Config"] = type("Config", (), known)
            if "__root__" not in namespace.get("__annotations__", {}):
                namespace["__annotations__"] = {
                    key: _translated(declared, finite)
                    for key, declared in namespace.get("__annotations__", {}).items()
                }
            return super().__new__(mcs, name, bases, namespace, **options)

    class BaseModel(pydantic.BaseModel, metaclass=_Meta):
        """A model of Pydantic 1 with the methods of Pydantic 2 that the API calls."""

        class Config:
            json_encoders: ClassVar = {datetime: lambda t: t.isoformat().replace("+00:00", "Z")}

        @pydantic.validator("*", pre=True)
        def _refuse_none(cls, value: Any, field: Any) -> Any:
            if value is None and not field.allow_none:
                raise PydanticCustomError(getattr(field.outer_type_, "none_kind", "none"))
            return value

        @classmethod
        def validate(cls, value: Any) -> Any:
            if isinstance(value, dict):
                if all(isinstance(key, str) for key in value):
                    return super().validate(value)
            elif isinstance(value, cls):
                return value
            raise PydanticCustomError("model_type")

        @classmethod
        def model_validate(cls, content: Any) -> Any:
            try:
                return cls.validate(content)
            except PydanticCustomError as error:
                raise ValidationError([ErrorWrapper(error, "__root__")], cls) from None
            except pydantic.ValidationError as error:
                raise ValidationError(error.raw_errors, cls) from None

        @classmethod
        def model_validate_json(cls, raw: bytes | str) -> Any:
            return cls.model_validate(_loaded(raw, cls))

        def model_copy(self, *, update: dict[str, Any] | None = None) -> Any:
            return self.copy(update=update)

        def model_dump(self, *, mode: str = "python", **options: Any) -> dict[str, Any]:
            return json.loads(self.json(**options)) if mode == "json" else self.dict(**options)

        def model_dump_json(self, **options: Any) -> str:
            return self.json(separators=(",", ":"), ensure_ascii=False, **options)

    class TypeAdapter:
        """Checks a value that is no model."""

        def __init__(self, declared: Any) -> None:
            self._model = pydantic.create_model(
                "Adapter", __base__=BaseModel, __root__=(_translated(declared, False), ...)
            )

        def validate_python(self, content: Any) -> Any:
            return self._model.model_validate({"__root__": content}).__root__

        def validate_json(self, raw: bytes | str) -> Any:
            return self.validate_python(_loaded(raw, self._model))

    def _loaded(raw: bytes | str, model: type) -> Any:
        """Read JSON as Pydantic 2 does: NaN is a number, half a surrogate pair is no text."""
        try:
            text = raw.decode() if isinstance(raw, bytes) else raw
            content = json.loads(text)
            if "\\ud" in text.lower():
                json.dumps(content, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            error = PydanticCustomError("json_invalid")
            raise ValidationError([ErrorWrapper(error, "__root__")], model) from None
        return content


__all__ = [
    "PYDANTIC_1",
    "AfterValidator",
    "AwareDatetime",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "ErrorDetails",
    "Field",
    "PydanticCustomError",
    "TypeAdapter",
    "ValidationError",
]
