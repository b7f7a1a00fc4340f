"""Sealed thoughts in Responses items: ``encrypted_content``, and what of the item belongs to it.

OpenAI refuses a sealed thought under another id than its own, and the other APIs have no place
for an id. So it travels in front of the ciphertext. Thoughts of other makers stand in
``encrypted_content`` with their mark, and those that may not be shown have one more.
"""

from __future__ import annotations

from clawmatrix_model_proxy.neutral.sealed import Sealer, mark, unmark

__all__ = ["encrypted_of", "read_encrypted", "seal", "unseal"]

_REDACTED = "redacted."


def seal(item_id: str, encrypted: str) -> str:
    """Return the neutral form of an item's ciphertext."""
    return f"{'' if ':' in item_id else item_id}:{encrypted}"


def unseal(sealed: str) -> tuple[str, str]:
    """Return the item's id, which may be empty, and its ciphertext."""
    item_id, colon, encrypted = sealed.partition(":")
    return (item_id, encrypted) if colon else ("", sealed)


def read_encrypted(item_id: str, kept: str) -> tuple[str, Sealer, bool]:
    """Return what an item's ``encrypted_content`` amounts to: sealed, by whom, and redacted."""
    sealed, sealer = unmark(kept, "responses")
    if sealer == "responses":
        # the ciphertext of an upstream of this API was never marked in its own place
        return seal(item_id, sealed), sealer, False
    redacted = sealed.startswith(_REDACTED)
    return sealed.removeprefix(_REDACTED), sealer, redacted


def encrypted_of(sealed: str, sealed_by: Sealer, *, redacted: bool) -> tuple[str, str]:
    """Return the id that goes with a sealed thought, which may be empty, and what to keep of it."""
    if sealed_by == "responses":
        return unseal(sealed)
    return "", mark(f"{_REDACTED if redacted else ''}{sealed}", sealed_by, "responses")
