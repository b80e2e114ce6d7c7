import pytest

from cidp.api_errors import (
    ApiError,
    ApiTooSlow,
    ApiUnreachable,
    FieldsRefused,
    KeyRefused,
    ModelMissing,
    NotNow,
    NotThere,
    ReadingRefused,
    ServiceUnavailable,
    TooManyCalls,
    UnexpectedAnswer,
)
from cidp.views import asking


@pytest.mark.parametrize(
    ("error", "heals"),
    [
        (ApiUnreachable("http://x"), True),
        (ApiTooSlow("http://x", 1.0), True),
        (TooManyCalls(None), True),
        (ModelMissing(), True),
        (ServiceUnavailable("Base verrouillée."), True),
        (UnexpectedAnswer("http://x", "HTTP 500"), True),
        (KeyRefused(403), False),
        (NotThere("Locomotive inconnue."), False),
        (NotNow("Déjà fermée."), False),
        (FieldsRefused([]), False),
        (ReadingRefused([]), False),
    ],
)
def test_only_what_may_heal_is_asked_again(
    error: ApiError, heals: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries, shown = [], []
    monkeypatch.setattr(asking, "retry_later", retries.append)
    monkeypatch.setattr(asking, "show_api_error", shown.append)
    with asking.failures_said():
        raise error
    assert (retries, shown) == ([error] * heals, [error])
