"""What goes wrong with a protocol."""

from __future__ import annotations


class ProtocolError(ValueError):
    """An invalid protocol or request; the message is one line that says what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))
