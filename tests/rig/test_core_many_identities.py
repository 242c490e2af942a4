"""Thirty-two identities, each registered explicitly with a set of its own: as many as the study draws."""

from __future__ import annotations

from pathlib import Path

import pytest
from calls import call, notified, subscribe
from core_bench import core_bench

from testbed.core.core import CoreOptions
from testbed.ims.reginfo import RegInfo

IDENTITIES = tuple(f"sip:identity{number}@home1.net" for number in range(32))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_register_moves_them_all_and_the_watcher_is_told_of_each(tmp_path: Path, transport: str) -> None:
    options = CoreOptions(connections=4, warm_up=False)
    with core_bench(tmp_path, options, sets=tuple((impu,) for impu in IDENTITIES)) as bench:
        phone, far = bench.phone("ue", transport=transport), bench.registered(bench.phone("far"), "far")
        lte = bench.registered(phone, "lte")
        for impu in IDENTITIES[1:]:
            assert lte.reregister(impu=impu).status == 200
        subscribe(lte)
        notified(lte)
        wifi = bench.registered(phone, "wifi", to_params=";imsglobreg")
        document = RegInfo.parse(notified(wifi)[1].body)
        assert tuple(each.aor for each in document.registrations) == IDENTITIES
        for each in document.registrations:
            assert [contact.uri.split(";")[0] for contact in each.active_contacts] == [f"sip:{wifi.name}"]
            assert bench.bound(each.aor) == [wifi.name]
        ours, theirs, _ = call(wifi, far, impu=IDENTITIES[-1])
        assert ours.exchange("BYE", theirs)[0].status == 200
