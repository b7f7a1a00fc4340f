"""What the mesh's commands call over the control socket; imported when the first of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_mesh.invite.methods import InviteMethods
from clawmatrix_mesh.members.revocation_methods import RevocationMethods
from clawmatrix_mesh.members.revoke_methods import RevokeMethods
from clawmatrix_mesh.members.trust_methods import TrustMethods

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import ControlMethod, Node
    from clawmatrix_core.spi import SignedRevocation
    from clawmatrix_mesh.invite.invitations import Invitations

__all__ = ["control_methods"]


def control_methods(
    node: Node,
    issue: Callable[[SignedRevocation], None],
    settle: Callable[[], None],
    hurry: Callable[[], None],
    invitations: Callable[[], Invitations],
    addresses: Callable[[], list[str]],
) -> list[ControlMethod]:
    """Return all of them; for what each is given see the four classes."""
    return [
        *TrustMethods(node, hurry).all(),
        *RevokeMethods(node, issue, hurry).all(),
        *RevocationMethods(node, settle).all(),
        *InviteMethods(node, invitations, addresses).all(),
    ]
