"""Which key of an upstream is used next."""

from __future__ import annotations

from clawmatrix_core.config.config import Secret
from clawmatrix_model_proxy.serving.keys import KeyRing


def test_a_key_that_was_refused_comes_last_until_its_time_is_over() -> None:
    ring = KeyRing([Secret("a"), Secret("b"), Secret("c")])
    assert ring.order(0.0) == [0, 1, 2]
    ring.refused(0, 0.0, 401, None)
    ring.refused(1, 0.0, 429, 5.0)
    assert ring.order(1.0) == [2, 1, 0]
    assert ring.order(6.0) == [1, 2, 0]
    assert ring.order(301.0) == [0, 1, 2]
    ring.refused(2, 400.0, 403, None)
    ring.worked(2)
    assert ring.order(401.0) == [0, 1, 2]
    assert ring.reveal(1) == "b"
    assert KeyRing([]).order(0.0) == []
