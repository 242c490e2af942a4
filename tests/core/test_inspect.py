"""What a core's tables say, read: the tables are written here as `kamailio/scscf.cfg` describes them."""

from testbed.core.inspect import Binding, PcscfConnection, Table, pcscf_state, scscf_state

NOW = 1000.4
A, B, C = "sip:a@home1.net", "sip:b@home1.net", "sip:c@home1.net"
LTE, WIFI = "a@10.1.0.2:40001", "a@10.2.0.2:40002"
TABLES: dict[str, Table] = {
    "members": {A: f"{A},{B}", C: C},
    "lines": {A: f",{WIFI},{LTE},", C: ","},
    "binding": {f"{LTE}|{A}": "1600,id,7,registered", f"{WIFI}|{A}": "1100,id,8,refreshed"},
    "instances": {f"{LTE}|{A}": "|urn:uuid:1|urn:uuid:2|"},
    "temporary": {f"{A}|urn:uuid:1": "tgruu-new,tgruu-old,"},
    "contact": {LTE: f"sip:{LTE}", WIFI: f"sip:{WIFI}", "a@10.3.0.2:1": "sip:a@10.3.0.2:1"},
    "path": {LTE: "<sip:term@10.0.0.1;lr>", WIFI: "<sip:term@10.0.0.2;lr>"},
    "inactive": {"a@10.3.0.2:1": "linger"},
    "call": {"one": f",{LTE}|{A},|,1,2,{A},{C},,,", "two": ""},
    "linger": {"one|1": 1010, "one|2": 1003, "gone|1": 1002},
    "watch": {"w": ""},
}


def test_every_identity_of_a_set_has_its_bindings_the_newest_first_and_one_for_each_instance() -> None:
    state = scscf_state(TABLES.__getitem__, "home1.net", NOW)
    wifi = Binding(f"sip:{WIFI}", "<sip:term@10.0.0.2;lr>", 100)
    assert list(state.bindings) == [A, B]
    first, second, third = state.bindings[A]
    assert first == wifi
    assert (second.uri, second.expires_s, second.instance) == (f"sip:{LTE}", 600, "urn:uuid:1")
    assert (second.pub_gruu, second.temp_gruu) == (f"{A};gr=urn:uuid:1", "sip:tgruu-new@home1.net;gr")
    assert (third.pub_gruu, third.temp_gruu) == (f"{A};gr=urn:uuid:2", None)
    assert state.bindings[B][1].pub_gruu == f"{B};gr=urn:uuid:1"


def test_a_connection_is_inactive_when_it_is_noted_so_and_sessions_linger_until_the_first_side_is_due() -> None:
    state = scscf_state(TABLES.__getitem__, "home1.net", NOW)
    assert state.connections == {LTE: "active", WIFI: "active", "a@10.3.0.2:1": "inactive"}
    assert state.sessions == ["one", "two"]
    assert state.lingering == {"one": 3}  # what is left of a session that has ended is none
    assert state.watchers == 1


def test_a_connection_of_a_pcscf_has_each_identity_once_and_what_has_ended_is_none() -> None:
    uc = "10.1.0.2:40000"
    tables: dict[str, Table] = {
        "port_uc": {"10.1.0.2:40001": "10.1.0.2~40000~1", "10.9.0.2:1": "10.9.0.2~2~1"},
        "user": {uc: "a@home1.net"},
        "identities": {uc: f"<{A}>, <{C}>, <{A}>,<{B}>"},
        "until": {uc: 1060},
    }
    state = pcscf_state(tables.__getitem__, 1, 4, NOW)
    assert state.connections == {"10.1.0.2:40001": PcscfConnection("a@home1.net", (A, C, B), 60)}
    assert (state.contacts, state.associations) == (1, 4)
