"""What every transport has to do, as checks that anybody's test suite can run.

A check takes a TransportCase and raises AssertionError, with a sentence, where the
transport falls short. In a third party's tests::

    CASE = TransportCase(CarrierPigeons, "pigeon://loft", "pigeon://barn", "pigeon://sea")

    @pytest.mark.anyio
    @pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
    async def test_transport(check):
        await check(CASE)

Run them on asyncio and on trio. LINK_CHECKS are taken in the same way: they run nodes over
the transport. Start reading with ``transports``; ``links`` has the checks of links, on the
nodes of ``network``.
"""

from __future__ import annotations

from clawmatrix_core.testing.acceptance.case import TransportCase, TransportCheck
from clawmatrix_core.testing.acceptance.links import LINK_CHECKS
from clawmatrix_core.testing.acceptance.transports import TRANSPORT_CHECKS

__all__ = ["LINK_CHECKS", "TRANSPORT_CHECKS", "TransportCase", "TransportCheck"]
