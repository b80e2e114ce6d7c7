"""An address is tried before a server is started on it."""

import pytest
from loopback import free_port

from cidp import ports
from cidp.errors import ServerError
from cidp.ports import free_address


def test_a_free_port_is_accepted_and_stays_free() -> None:
    port = free_port()
    for _ in range(2):
        assert free_address("127.0.0.1", port, "API_PORT") == "127.0.0.1"


def test_ports_are_given_once_and_from_where_no_system_takes_its_own() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert max(ports) < 32_768


def test_the_name_of_this_machine_is_listened_to_by_its_address() -> None:
    assert free_address("localhost", free_port(), "API_PORT") in {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.7", "Impossible d'écouter"),
        ("pas un nom", "vérifiez API_HOST"),
        ("x" * 70, "pas une adresse"),
    ],
)
def test_an_address_that_is_not_ours_is_said(host: str, said: str) -> None:
    with pytest.raises(ServerError, match=said):
        free_address(host, 5000, "API_PORT")


def test_a_reserved_port_is_said() -> None:
    message = ports._bind_message("127.0.0.1", 80, "API_PORT", PermissionError(13, "denied"))
    assert "Le port 80 est réservé" in message
