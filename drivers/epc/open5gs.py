"""Open5GS 2.7 and later: its daemons' files from the settings, and its subscriber documents.

The whole EPC part runs on one host: each daemon has a loopback address of its own, as in Open5GS's own examples.
freeDiameter is configured in place, without TLS.
"""

from __future__ import annotations

import json
from typing import Any

from bson import Int64

from drivers.epc.settings import CoreSettings, PdnSubscription, SubscriberSettings

DAEMONS = ("hss", "pcrf", "upf", "smf", "sgwu", "sgwc", "mme")  # in the order in which they are started
DATABASE = "open5gs"
REALM = "localdomain"
EXTENSIONS = "/usr/lib/x86_64-linux-gnu/freeDiameter"
_ADDRESSES = {
    "mme": "127.0.0.2", "sgwc": "127.0.0.3", "smf": "127.0.0.4", "sgwu": "127.0.0.6", "upf": "127.0.0.7",
    "hss": "127.0.0.8", "pcrf": "127.0.0.9",
}  # fmt: skip
_DIAMETER_PEERS = {"mme": "hss", "hss": "mme", "smf": "pcrf", "pcrf": "smf"}
_DICTIONARIES = ("dbg_msg_dumps", "dict_rfc5777", "dict_mip6i", "dict_nasreq", "dict_nas_mipv6", "dict_dcca",
                 "dict_dcca_3gpp")  # fmt: skip
_PDN_TYPES = {"ipv4": 1, "ipv6": 2, "ipv4v6": 3}
HTTP_PORT = 9090  # metrics, and the state as JSON


def files(settings: CoreSettings, *, extensions: str = EXTENSIONS) -> dict[str, str]:
    """Each daemon's configuration by the daemon's name; `extensions` is where freeDiameter's are."""
    bodies = _bodies(settings)
    for name in _DIAMETER_PEERS:
        bodies[name]["freeDiameter"] = _diameter(name, extensions)
    database = {"db_uri": f"{settings.database}/{DATABASE}"}
    rendered = {}
    for name in DAEMONS:
        common: dict[str, Any] = {"logger": {"level": "info"}, "global": {"max": {"ue": settings.max_ue}}}
        if name in ("hss", "pcrf"):
            common |= database
        rendered[name] = json.dumps({**common, name: bodies[name]}, indent=2) + "\n"
    return rendered


def _bodies(settings: CoreSettings) -> dict[str, dict[str, Any]]:
    plmn = {"mcc": settings.mcc, "mnc": settings.mnc}
    sessions = [
        {"subnet": str(own.network), "gateway": str(own.ip), "dnn": pool.apn}
        for pool in settings.pools
        for own in pool.interfaces
    ]
    devices = [{"dev": pool.device} for pool in settings.pools for _ in pool.interfaces]
    smf: dict[str, Any] = {
        "pfcp": {"server": [_own("smf")], "client": {"upf": [_own("upf")]}},
        "gtpc": {"server": [_own("smf")]},
        "gtpu": {"server": [_own("smf")]},
        "metrics": _http("smf"),
        "session": sessions,
        "dns": [str(one) for one in settings.dns] or ["127.0.0.1"],
        "mtu": settings.mtu,
    }
    if settings.pcscf:
        smf["p-cscf"] = [str(one) for one in settings.pcscf]
    return {
        "mme": {
            "s1ap": {"server": [{"address": str(settings.s1)}]},
            "gtpc": {"server": [_own("mme")], "client": {"sgwc": [_own("sgwc")], "smf": [_own("smf")]}},
            "metrics": _http("mme"),
            "gummei": [{"plmn_id": plmn, "mme_gid": settings.mme_group, "mme_code": settings.mme_code}],
            "tai": [{"plmn_id": plmn, "tac": settings.tac}],
            "security": {"integrity_order": list(settings.integrity), "ciphering_order": list(settings.ciphering)},
            "network_name": {"full": settings.name},
            "mme_name": settings.name,
        },
        "sgwc": {
            "gtpc": {"server": [_own("sgwc")]},
            "pfcp": {"server": [_own("sgwc")], "client": {"sgwu": [_own("sgwu")]}},
        },
        "sgwu": {"pfcp": {"server": [_own("sgwu")]}, "gtpu": {"server": [{"address": str(settings.s1u)}]}},
        "smf": smf,
        "upf": {
            "pfcp": {"server": [_own("upf")]},
            "gtpu": {"server": [_own("upf")]},
            "metrics": _http("upf"),
            "session": [{**session, **device} for session, device in zip(sessions, devices, strict=True)],
        },
        "hss": {"use_mongodb_change_stream": True},  # by which a detach is asked for
        "pcrf": {"metrics": _http("pcrf")},
    }


def document(subscriber: SubscriberSettings) -> dict[str, Any]:
    """A subscriber as Open5GS reads it from the collection `subscribers`."""
    return {
        "schema_version": 1,
        "imsi": subscriber.imsi,
        "msisdn": [],
        "imeisv": [],
        "mme_host": [],
        "mme_realm": [],
        "purge_flag": [],
        "security": {
            "k": subscriber.k,
            "op": None,
            "opc": subscriber.opc,
            "amf": subscriber.amf,
            "sqn": Int64(subscriber.sqn),
        },
        "ambr": _ambr(subscriber),
        "slice": [
            {"sst": 1, "default_indicator": True, "session": [_session(pdn, subscriber) for pdn in subscriber.pdns]}
        ],
        "access_restriction_data": 32,
        "subscriber_status": 0,
        "operator_determined_barring": 0,
        "network_access_mode": 0,
        "subscribed_rau_tau_timer": 12,
    }


def _session(pdn: PdnSubscription, subscriber: SubscriberSettings) -> dict[str, Any]:
    arp = {"priority_level": pdn.priority, "pre_emption_capability": 1, "pre_emption_vulnerability": 1}
    found: dict[str, Any] = {
        "name": pdn.apn,
        "type": _PDN_TYPES[pdn.pdn_type],
        "qos": {"index": pdn.qci, "arp": arp},
        "ambr": _ambr(subscriber),
        "pcc_rule": [],
    }
    if pdn.address:
        found["ue"] = {"ipv4": str(pdn.address)}
    return found


def _ambr(subscriber: SubscriberSettings) -> dict[str, Any]:
    """In bit/s."""
    return {
        "downlink": {"value": subscriber.downlink_bps, "unit": 0},
        "uplink": {"value": subscriber.uplink_bps, "unit": 0},
    }


def _own(daemon: str) -> dict[str, str]:
    return {"address": _ADDRESSES[daemon]}


def _http(daemon: str) -> dict[str, Any]:
    return {"server": [{"address": _ADDRESSES[daemon], "port": HTTP_PORT}]}


def _diameter(daemon: str, extensions: str) -> dict[str, Any]:
    peer = _DIAMETER_PEERS[daemon]
    return {
        "identity": f"{daemon}.{REALM}",
        "realm": REALM,
        "listen_on": _ADDRESSES[daemon],
        "no_fwd": True,
        "load_extension": [
            {"module": f"{extensions}/{name}.fdx", **({"conf": "0x8888"} if name == "dbg_msg_dumps" else {})}
            for name in _DICTIONARIES
        ],
        "connect": [{"identity": f"{peer}.{REALM}", "address": _ADDRESSES[peer]}],
    }
