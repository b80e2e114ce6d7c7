"""Whether a server can listen at an address, asked before it is started."""

import errno
import socket
import sys

from cidp.errors import ServerError


def free_address(host: str, port: int, variable: str) -> str:
    """Return the IP address of `host`; raise `ServerError` unless its `port` can be listened to.

    The API shares its port between its processes, so two servers on one port would not notice each
    other. `variable` is the setting by which a person chooses another port.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            _refuse_sharing(probe)
            probe.bind(address)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ServerError(_bind_message(host, port, variable, error)) from error
    except UnicodeError as error:  # a label of the name is empty, or too long
        raise ServerError(f"{host[:80]!r} n'est pas une adresse : vérifiez API_HOST.") from error


def _refuse_sharing(probe: socket.socket) -> None:
    if sys.platform == "win32":
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:  # closed connections of a former server must not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _bind_message(host: str, port: int, variable: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Le port {port} est déjà pris sur {host} : arrêtez l'autre programme ou choisissez un"
            f" autre port avec {variable}."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"Le port {port} est réservé au système : choisissez-en un autre avec {variable}."
    return f"Impossible d'écouter sur {host}:{port} ({error.strerror}) : vérifiez API_HOST."
