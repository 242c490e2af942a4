"""NextEPC 0.3.10, as Debian packages it: its daemons' files from the settings, and its subscriber documents.

The packaged freeDiameter files are used as they are: MME, PGW, HSS and PCRF talk Diameter on 127.0.0.2 to 127.0.0.5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bson import Int64

from drivers.epc.settings import CoreSettings, PdnSubscription, SubscriberSettings

DAEMONS = ("hss", "pcrf", "pgw", "sgw", "mme")  # in the order in which they are started
DATABASE = "nextepc"
FREE_DIAMETER = "/etc/nextepc/freeDiameter"
MME_GTPC, PGW, SGW_GTPC = "127.0.0.1", "127.0.0.3", "127.0.0.6"
_PDN_TYPES = {"ipv4": 0, "ipv6": 1, "ipv4v6": 2}


def files(settings: CoreSettings) -> dict[str, str]:
    """Each daemon's configuration by the daemon's name.  JSON is YAML, too."""
    plmn = {"mcc": settings.mcc, "mnc": settings.mnc}
    peers = {"sgw": {"gtpc": {"addr": SGW_GTPC}}, "pgw": {"gtpc": {"addr": PGW}}}
    mme = {
        "freeDiameter": f"{FREE_DIAMETER}/mme.conf",
        "s1ap": {"addr": str(settings.s1)},
        "gtpc": {"addr": MME_GTPC},
        "gummei": {"plmn_id": plmn, "mme_gid": settings.mme_group, "mme_code": settings.mme_code},
        "tai": {"plmn_id": plmn, "tac": settings.tac},
        "security": {"integrity_order": list(settings.integrity), "ciphering_order": list(settings.ciphering)},
        "network_name": {"full": settings.name},
    }
    pgw: dict[str, Any] = {
        "freeDiameter": f"{FREE_DIAMETER}/pgw.conf",
        "gtpc": {"addr": PGW},
        "gtpu": {"addr": PGW},
        "ue_pool": [
            {"addr": str(one), "apn": pool.apn, "dev": pool.device}
            for pool in settings.pools
            for one in pool.interfaces
        ],
        "dns": [str(one) for one in settings.dns] or ["127.0.0.1"],
    }
    if settings.pcscf:
        pgw["p-cscf"] = [str(one) for one in settings.pcscf]
    uri = {"db_uri": f"{settings.database}/{DATABASE}"}
    bodies: Mapping[str, dict[str, Any]] = {
        "hss": {**uri, "hss": {"freeDiameter": f"{FREE_DIAMETER}/hss.conf"}},
        "pcrf": {**uri, "pcrf": {"freeDiameter": f"{FREE_DIAMETER}/pcrf.conf"}},
        "pgw": {"pgw": pgw},
        "sgw": {"sgw": {"gtpc": {"addr": SGW_GTPC}, "gtpu": {"addr": str(settings.s1u)}}},
        "mme": {"mme": mme, **peers},
    }
    return {name: _yaml(bodies[name]) for name in DAEMONS}


def _yaml(body: dict[str, Any]) -> str:
    parts = {
        "logger": {"file": "/dev/null"},
        "parameter": {"prefer_ipv4": True},
        **body,
    }  # it also says all on its output
    return json.dumps(parts, indent=2) + "\n"


def document(subscriber: SubscriberSettings) -> dict[str, Any]:
    """A subscriber as the HSS and the PCRF read it from the collection `subscribers`."""
    return {
        "imsi": subscriber.imsi,
        "security": {
            "k": subscriber.k,
            "opc": subscriber.opc,
            "op": None,
            "amf": subscriber.amf,
            "sqn": Int64(subscriber.sqn),
        },
        "ambr": _ambr(subscriber),
        "subscribed_rau_tau_timer": 12,
        "network_access_mode": 2,
        "subscriber_status": 0,
        "access_restriction_data": 32,
        "pdn": [_pdn(pdn, subscriber) for pdn in subscriber.pdns],
    }


def _pdn(pdn: PdnSubscription, subscriber: SubscriberSettings) -> dict[str, Any]:
    arp = {"priority_level": pdn.priority, "pre_emption_capability": 1, "pre_emption_vulnerability": 1}
    found: dict[str, Any] = {
        "apn": pdn.apn,
        "type": _PDN_TYPES[pdn.pdn_type],
        "qos": {"qci": pdn.qci, "arp": arp},
        "ambr": _ambr(subscriber),
        "pcc_rule": [],
    }
    if pdn.address:
        found["ue"] = {"addr": str(pdn.address)}
    return found


def _ambr(subscriber: SubscriberSettings) -> dict[str, Int64]:
    """In kbit/s."""
    return {"downlink": Int64(subscriber.downlink_bps // 1000), "uplink": Int64(subscriber.uplink_bps // 1000)}
