"""What a person, or a token that a person handed on, makes of a name's pin. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.members.identity import digits, fingerprint
from clawmatrix_core.members.pins import Pin, PinState, with_rival

if TYPE_CHECKING:
    from clawmatrix_core.base.node_id import NodeId

__all__ = ["LETTERS_MIN", "accepted_pin", "invited_pin"]

LETTERS_MIN = 20
"""Letters of a fingerprint that ``accept`` wants at least: 100 bits, more than anybody can search
for a key that begins alike."""
DIGITS = 40
"""Digits of a key, of which all are wanted."""


def accepted_pin(node_id: NodeId, pin: Pin | None, shown: str) -> Pin:
    """Return the pin with the one of its keys that a person named by its fingerprint.

    ``shown`` is the beginning of the fingerprint, 20 letters at least, or all digits of the
    key. Case, hyphens and spaces do not matter.
    Raises: LocalProtocolError, where that is too short, or no present or refused key of the
        name, or a key that the name gave up for another.
    """
    wanted = shown.upper().replace("-", "").replace(" ", "")
    if len(wanted) < (DIGITS if wanted.isdigit() else LETTERS_MIN):
        raise LocalProtocolError(
            f"{LETTERS_MIN} letters of the fingerprint are needed, or all of its digits"
        )
    keys = () if pin is None else (pin.key, *(rival.key for rival in pin.rivals))
    chosen = next((key for key in keys if _is_shown(key, wanted)), None)
    if pin is None or chosen is None:
        raise LocalProtocolError(f"no key of {node_id} with the fingerprint {shown} is known here")
    if chosen == pin.key:
        return replace(pin, state=PinState.PINNED, vouched="accepted")
    if chosen in pin.past:
        raise LocalProtocolError(f"{node_id} gave this key up for the one that it is known by")
    rival = next(rival for rival in pin.rivals if rival.key == chosen)
    rest = tuple(other for other in pin.rivals if other is not rival)
    since = pin.proven_since
    return Pin(chosen, PinState.PINNED, rival.first_seen, rest, since, vouched="accepted")


def invited_pin(pin: Pin | None, key: bytes, now: float) -> Pin:
    """Return the pin with a key that a token bound to the name, whatever was known before.

    A key that the name gave up for its present one is refused like any other, and shown.
    ``now`` is the wall clock in seconds since 1970.
    """
    if pin is not None and key in pin.past:
        return with_rival(pin, key, proven=True, now=now)
    if pin is None or pin.key != key:
        rivals = () if pin is None else tuple(one for one in pin.rivals if one.key != key)
        linked = pin is not None and pin.state is PinState.PINNED
        pin = Pin(key, PinState.PINNED, now, rivals, pin.proven_since if pin and linked else now)
    since = now if pin.proven_since is None else pin.proven_since
    vouched = pin.vouched or "invited"
    return replace(pin, state=PinState.PINNED, proven=since, vouched=vouched)


def _is_shown(key: bytes, wanted: str) -> bool:
    if fingerprint(key).replace("-", "").startswith(wanted):
        return True
    return digits(key).replace(" ", "") == wanted
