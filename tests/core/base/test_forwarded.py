"""Who sent a request that a proxy passed on: what is believed, and of whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.forwarded import FORWARDED_LENGTH, Proxies

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:f::/48", "127.0.0.1"])
FORGED = "198.51.100.66"


@pytest.mark.parametrize(
    ("listed", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        ([f"{FORGED}, 192.0.2.7"], "192.0.2.7"),
        ([FORGED, "192.0.2.7"], "192.0.2.7"),
        ([f"{FORGED}, 192.0.2.7, 10.1.1.1,10.2.2.2"], "192.0.2.7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
        (["fe80::1%eth0"], "fe80::1"),
        (["10.1.1.1"], "10.1.1.1"),
        ([f"{FORGED}, unknown"], "10.9.9.9"),
        ([f"{FORGED}, garbage, 10.1.1.1"], "10.1.1.1"),
        ([""], "10.9.9.9"),
        ([], "10.9.9.9"),
    ],
)
def test_the_last_address_that_is_no_proxy_counts(listed: list[str], client: str) -> None:
    assert PROXIES.client("10.9.9.9", listed, []) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["for=192.0.2.7"], "192.0.2.7"),
        (['for="[2001:db8::1]:4711";proto=https, for=10.1.1.1;by=10.2.2.2'], "2001:db8::1"),
        ([f"For={FORGED}", 'by=_x;FOR="192.0.2.7:80"'], "192.0.2.7"),
        (["proto=https"], "10.9.9.9"),
        ([f"for={FORGED}, for=_hidden"], "10.9.9.9"),
        ([f"for={FORGED}, for=unknown"], "10.9.9.9"),
        ([f'for={FORGED};x="', "for=192.0.2.7"], "10.9.9.9"),
        ([f'for={FORGED};x="', 'for="192.0.2.7"'], "10.9.9.9"),
        ([f"for=192.0.2.7;for={FORGED}"], "10.9.9.9"),
        (["for=192.0.2.7 nonsense"], "10.9.9.9"),
        ([""], "10.9.9.9"),
    ],
)
def test_forwarded_is_read_whole_or_not_at_all(forwarded: list[str], client: str) -> None:
    assert PROXIES.client("10.9.9.9", [], forwarded) == client


def test_nobody_is_believed_but_the_proxies_of_the_configuration() -> None:
    for proxies in (Proxies(), Proxies(["10.0.0.0/8"])):
        assert proxies.client("192.0.2.1", [FORGED], []) == "192.0.2.1"
        assert proxies.client("192.0.2.1", [], [f"for={FORGED}"]) == "192.0.2.1"
        assert proxies.client("not a number", [FORGED], []) == "not a number"


def test_a_header_that_the_proxy_passed_on_unread_does_not_win() -> None:
    assert PROXIES.client("10.0.0.1", ["192.0.2.7"], [f"for={FORGED}"]) == "10.0.0.1"
    assert PROXIES.client("10.0.0.1", ["192.0.2.7"], ["for=192.0.2.7"]) == "192.0.2.7"


@pytest.mark.bound("clawmatrix_core.base.forwarded.FORWARDED_LENGTH")
def test_a_header_without_an_end_counts_for_nothing() -> None:
    padding = ["8.8.8.8"] * (FORWARDED_LENGTH // 8)
    assert PROXIES.client("10.0.0.1", padding, []) == "8.8.8.8"
    assert PROXIES.client("10.0.0.1", [*padding, *padding], []) == "10.0.0.1"
    many = ["for=8.8.8.8"] * (FORWARDED_LENGTH // 8)
    assert PROXIES.client("10.0.0.1", [], many) == "10.0.0.1"


@pytest.mark.parametrize("network", ["10.0.0.0/33", "", "example.com", "10.0.0.1-9"])
def test_what_is_no_network_is_refused_by_name(network: str) -> None:
    with pytest.raises(ValueError, match=r"is not a network like"):
        Proxies([network])


@given(st.lists(st.text(max_size=40)), st.lists(st.text(max_size=40)))
def test_whatever_stands_in_the_headers_a_number_comes_out(
    listed: list[str], forwarded: list[str]
) -> None:
    found = PROXIES.client("10.0.0.1", [*listed, "192.0.2.7"], forwarded)
    assert found in ("192.0.2.7", "10.0.0.1")
