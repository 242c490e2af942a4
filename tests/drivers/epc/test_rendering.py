"""The files and documents of both cores, from the same settings."""

from __future__ import annotations

from typing import Any

import pytest
from epc_settings import IMSI, OPC, SETTINGS, SUBSCRIBER, K
from ruamel.yaml import YAML

from drivers.epc import nextepc, open5gs


def loaded(texts: dict[str, str]) -> dict[str, Any]:
    return {name: YAML(typ="safe").load(text) for name, text in texts.items()}


def test_nextepc_gets_a_file_for_each_daemon() -> None:
    files = loaded(nextepc.files(SETTINGS))
    assert tuple(files) == nextepc.DAEMONS
    mme = files["mme"]["mme"]
    assert mme["s1ap"] == {"addr": "127.0.1.1"}
    assert mme["tai"] == {"plmn_id": {"mcc": "001", "mnc": "01"}, "tac": 1}
    assert mme["security"] == {"integrity_order": ["EIA2"], "ciphering_order": ["EEA2", "EEA0"]}
    pgw = files["pgw"]["pgw"]
    assert pgw["p-cscf"] == ["10.46.0.1", "fd46::1"]
    assert pgw["ue_pool"][1] == {"addr": "10.46.0.1/24", "apn": "ims", "dev": "pgw-ims"}
    assert files["sgw"]["sgw"]["gtpu"] == {"addr": "127.0.1.2"}
    assert files["hss"]["db_uri"] == "mongodb://127.0.0.1:27017/nextepc"


def test_nextepc_reads_a_subscriber_with_a_list_of_pdns() -> None:
    document = nextepc.document(SUBSCRIBER)
    assert (document["imsi"], document["security"]["k"], document["security"]["opc"]) == (IMSI, K, OPC)
    internet, ims = document["pdn"]
    assert (internet["apn"], internet["type"], internet["qos"]["qci"]) == ("internet", 0, 9)
    assert (ims["apn"], ims["type"], ims["ue"]) == ("ims", 2, {"addr": "10.46.0.9"})
    assert internet["ambr"] == {"downlink": 100_000, "uplink": 50_000}


def test_open5gs_gets_a_file_for_each_daemon() -> None:
    files = loaded(open5gs.files(SETTINGS))
    assert tuple(files) == open5gs.DAEMONS
    assert all(one["global"]["max"]["ue"] == 64 for one in files.values())
    mme = files["mme"]["mme"]
    assert mme["s1ap"]["server"] == [{"address": "127.0.1.1"}]
    assert mme["gummei"] == [{"plmn_id": {"mcc": "001", "mnc": "01"}, "mme_gid": 2, "mme_code": 1}]
    smf = files["smf"]["smf"]
    assert smf["p-cscf"] == ["10.46.0.1", "fd46::1"]
    assert smf["session"][2] == {"subnet": "fd46::/64", "gateway": "fd46::1", "dnn": "ims"}
    upf = files["upf"]["upf"]
    assert upf["session"][0] == {
        "subnet": "10.45.0.0/24",
        "gateway": "10.45.0.1",
        "dnn": "internet",
        "dev": "pgw-internet",
    }
    assert files["sgwu"]["sgwu"]["gtpu"]["server"] == [{"address": "127.0.1.2"}]
    assert files["hss"]["db_uri"] == "mongodb://127.0.0.1:27017/open5gs"
    assert files["hss"]["hss"]["use_mongodb_change_stream"] is True


def test_every_open5gs_daemon_has_an_address_of_its_own_and_knows_its_peers() -> None:
    files = loaded(open5gs.files(SETTINGS))
    diameter = {name: files[name][name]["freeDiameter"] for name in ("mme", "hss", "smf", "pcrf")}
    addresses = [one["listen_on"] for one in diameter.values()]
    assert len(set(addresses)) == 4
    for one, other in (("mme", "hss"), ("smf", "pcrf")):
        assert diameter[one]["connect"][0]["address"] == diameter[other]["listen_on"]
        assert diameter[other]["connect"][0]["identity"] == diameter[one]["identity"]


def test_open5gs_reads_a_subscriber_with_slices_of_sessions() -> None:
    document = open5gs.document(SUBSCRIBER)
    (only,) = document["slice"]
    internet, ims = only["session"]
    assert (only["sst"], only["default_indicator"]) == (1, True)
    assert (internet["name"], internet["type"], internet["qos"]["index"]) == ("internet", 1, 9)
    assert (ims["type"], ims["ue"]) == (3, {"ipv4": "10.46.0.9"})
    assert document["security"]["opc"] == OPC and document["schema_version"] == 1
    assert document["ambr"]["downlink"] == {"value": 100_000_000, "unit": 0}


@pytest.mark.parametrize("core", [nextepc, open5gs])
def test_documents_are_bson(core: Any) -> None:
    import bson

    assert bson.decode(bson.encode(core.document(SUBSCRIBER)))["imsi"] == IMSI
