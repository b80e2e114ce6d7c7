"""One line for each write and for each refusal, in a log of its own: who, from where, what."""

from loguru import logger

AUDIT = "audit"
"""The mark by which `cidp.logs` sends a line to audit.log."""


def note(method: str, route: str, status: int, address: str, fact: str) -> None:
    """Write one audit line; `fact` names the key by its id, never by its text."""
    logger.bind(**{AUDIT: True}).info("{} {} {} {} : {}", method, route, status, address, fact)
