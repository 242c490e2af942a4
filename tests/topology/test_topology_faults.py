"""Bad topology files: each ends in a sentence with file, line, column, key and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import UsageError
from testbed.topology.faults import FileFaults
from testbed.topology.load import SHIPPED, load, loads, resolve

VALID = (SHIPPED / "two-access.yaml").read_text(encoding="utf-8")


def faults(*changes: tuple[str, str]) -> list[str]:
    """The sentences about the shipped file with these changes, as `line:column: key: what | mend`."""
    text = VALID
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    return faults_of(text)


def faults_of(text: str) -> list[str]:
    with pytest.raises(FileFaults) as caught:
        loads(text, "rig.yaml")
    assert caught.value.exit_code == 2
    for fault in caught.value.faults:
        assert str(fault) in str(caught.value) and fault.mend in str(caught.value)
    return [f"{str(fault).removeprefix('rig.yaml').lstrip(': ')} | {fault.mend}" for fault in caught.value.faults]


LTE = "    delay_ms: 25\n"
ONE_FAULT = {
    "an unknown key": (
        ("delay_ms: 25", "dely_ms: 25"),
        "14:5: accesses.lte.dely_ms: there is no such key here | did you mean `delay_ms`?",
    ),
    "an unknown key at the top, whose right name is then missing": (
        ("servers:", "sevrers:"),
        "28:1: sevrers: there is no such key here | did you mean `servers`?",
    ),
    "an unknown key like no other": (
        ("hss: {role: hss}", "hss: {role: hss, colour: red}"),
        "33:20: servers.hss.colour: there is no such key here | known: domain, ipv4, ipv6",
    ),
    "a missing key": (
        ("domain: home1.net\n", ""),
        "7:1: domain: is missing | add `domain: ...`: The home network's domain (RFC 3261 realm and registrar).",
    ),
    "a missing key in an entry": (
        ("    pcscf: pcscf-wifi\n", ""),
        "17:3: accesses.wifi.pcscf: is missing | "
        "add `pcscf: ...`: The server of role `pcscf` that the UE on this access is told of.",
    ),
    "a number as text": (
        ("delay_ms: 25", "delay_ms: '25'"),
        "14:15: accesses.lte.delay_ms: `25` is not a number | write a number without quotes or unit",
    ),
    "a number with a unit": (
        ("delay_ms: 25", "delay_ms: 25 ms"),
        "14:15: accesses.lte.delay_ms: `25 ms` is not a number | write a number without quotes or unit",
    ),
    "no value": (
        ("delay_ms: 25", "delay_ms:"),
        "14:5: accesses.lte.delay_ms: has no value, a number is wanted | write a number without quotes or unit",
    ),
    "infinity": (
        ("delay_ms: 25", "delay_ms: .inf"),
        "14:15: accesses.lte.delay_ms: `.inf` is not a number | write a number without quotes or unit",
    ),
    "true for a number": (
        ("delay_ms: 25", "delay_ms: true"),
        "14:15: accesses.lte.delay_ms: `true` is not a number | write a number without quotes or unit",
    ),
    "a number for text": (
        ("domain: home1.net", "domain: 5"),
        "9:9: domain: `5` is not text | write it as text, in quotes if it looks like a number",
    ),
    "a word for a list": (
        ("[lte, wifi]", "lte"),
        "37:15: ues.ue.accesses: `lte` is not a list | write a list: [a, b]",
    ),
    "a word for a mapping": (
        ("hss: {role: hss}", "hss: hss"),
        "33:8: servers.hss: `hss` is not a mapping of keys to values | write `key: value` lines under it",
    ),
    "a negative delay": (
        ("delay_ms: 25", "delay_ms: -1"),
        "14:15: accesses.lte.delay_ms: -1 is less than 0 | give 0 or more",
    ),
    "an endless delay": (
        ("delay_ms: 25", "delay_ms: 1e9"),
        "14:15: accesses.lte.delay_ms: 1e+09 is more than 60000 | give 60000 or less",
    ),
    "jitter above the delay": (
        ("jitter_ms: 2", "jitter_ms: 26"),
        "15:16: accesses.lte.jitter_ms: jitter of 26 ms is more than the delay of 25 ms | "
        "no packet can arrive before it was sent: lower jitter_ms, or raise delay_ms",
    ),
    "more than all packets lost": (
        (LTE, LTE + "    loss_percent: 101\n"),
        "15:19: accesses.lte.loss_percent: 101 is more than 100 | give 100 or less",
    ),
    "a kind that does not exist": (
        ("kind: wired ", "kind: wirde "),
        "13:11: accesses.lte.kind: `wirde` is not known here | did you mean `wired`?",
    ),
    "a role that does not exist": (
        ("{role: hss}", "{role: ggsn}"),
        "33:15: servers.hss.role: `ggsn` is not known here | known: pcscf, scscf, icscf, hss, peer",
    ),
    "a key twice": (
        (LTE, LTE + LTE),
        "15:5: accesses.lte.delay_ms: the key stands here a second time, first in line 14 | keep one of them",
    ),
    "a name of more than 15 characters": (
        ("  hss:", "  home-subscriber-server:"),
        "33:3: servers.home-subscriber-server: `home-subscriber-server` has 22 characters, more than 15, "
        "the kernel's limit for the name of a device | shorten it",
    ),
    "a name with capitals": (
        ("  hss:", "  HSS:"),
        "33:3: servers.HSS: `HSS` is not a name: small letters, digits and hyphens, a letter first | "
        "write it in that form",
    ),
    "a P-CSCF that does not exist": (
        ("pcscf: pcscf-lte", "pcscf: pcscf-lti"),
        "16:12: accesses.lte.pcscf: there is no server `pcscf-lti` | did you mean `pcscf-lte`?",
    ),
    "a P-CSCF that is none": (
        ("pcscf: pcscf-lte", "pcscf: scscf"),
        "16:12: accesses.lte.pcscf: server `scscf` is no P-CSCF, its role is scscf | "
        "the P-CSCFs here are: pcscf-lte, pcscf-wifi, pcscf-far",
    ),
    "no HSS": (
        ("  hss: {role: hss}\n", ""),
        "28:1: servers: no server has the role hss | add `hss: {role: hss}`",
    ),
    "two S-CSCFs": (
        ("  hss: {role: hss}\n", "  hss: {role: hss}\n  other: {role: scscf}\n"),
        "34:17: servers.other.role: a second server has the role scscf, the first is `scscf` | keep one of them",
    ),
    "two I-CSCFs": (
        ("  hss: {role: hss}\n", "  hss: {role: hss}\n  icscf: {role: icscf}\n  other: {role: icscf}\n"),
        "35:17: servers.other.role: a second server has the role icscf, the first is `icscf` | keep one of them",
    ),
    "a peer without a domain": (
        ("  hss: {role: hss}\n", "  hss: {role: hss}\n  peer: {role: peer}\n"),
        "34:3: servers.peer: a peer has no domain | give its network's, such as peer.net",
    ),
    "a peer in the home network": (
        ("  hss: {role: hss}\n", "  hss: {role: hss}\n  peer: {role: peer, domain: home1.net}\n"),
        "34:30: servers.peer.domain: `home1.net` is the home network's domain too | give the peer another",
    ),
    "a domain of a server of the home network": (
        ("{role: hss}", "{role: hss, domain: peer.net}"),
        "33:28: servers.hss.domain: a server of role hss has the home network's domain | leave it out",
    ),
    "a UE without accesses": (
        ("[lte, wifi]", "[]"),
        "37:15: ues.ue.accesses: is empty | add an entry",
    ),
    "a UE with an access twice": (
        ("[lte, wifi]", "[lte, wifi, lte]"),
        "37:27: ues.ue.accesses[2]: access `lte` is listed twice | "
        "an access leads to one UE: add an access of its own, or remove this one",
    ),
    "an access of two UEs": (
        ("accesses: [far]", "accesses: [far, lte]"),
        "44:21: ues.far.accesses[1]: access `lte` is that of `ue` | "
        "an access leads to one UE: add an access of its own, or remove this one",
    ),
    "an access of no UE": (
        ("[lte, wifi]", "[lte]"),
        "17:3: accesses.wifi: no UE has this access | list it in the accesses of a UE (ue, far), or remove it",
    ),
    "an identity of two UEs": (
        ("user2_private", "user1_private"),
        "45:11: ues.far.impi: `user1_private@home1.net` is also in `impi` of UE `ue` | "
        "give each identity to one UE, once",
    ),
    "an identity of another domain": (
        ("user2_public1@home1.net", "user2_public1@home2.net"),
        "47:9: ues.far.impus[0]: `home2.net` is not the home network's domain home1.net | "
        "write @home1.net, or change `domain`",
    ),
    "an identity that is no SIP URI": (
        ("sip:user2_public1", "user2_public1"),
        "47:9: ues.far.impus[0]: `user2_public1@home1.net` is not a SIP URI: sip:user@domain | write it in that form",
    ),
    "a UE without public identities": (
        ("    impus:\n      - sip:user2_public1@home1.net\n", ""),
        "43:3: ues.far: has no public identities | "
        "give `impus: [...]`, or `implicit_sets: [[...], [...]]` where there are several sets",
    ),
    "public identities written in both ways": (
        (
            "      - sip:user2_public1@home1.net\n",
            "      - sip:user2_public1@home1.net\n    implicit_sets: [[sip:x@home1.net]]\n",
        ),
        "43:3: ues.far: has both impus and implicit_sets | "
        "give `impus: [...]`, or `implicit_sets: [[...], [...]]` where there are several sets",
    ),
    "an identity of another domain in a set": (
        (
            "impus:\n      - sip:user2_public1@home1.net",
            "implicit_sets: [[sip:a@home1.net], [sip:b@home1.net, sip:c@home2.net]]",
        ),
        "46:58: ues.far.implicit_sets[1][1]: `home2.net` is not the home network's domain home1.net | "
        "write @home1.net, or change `domain`",
    ),
    "an implicit set without identities": (
        ("impus:\n      - sip:user2_public1@home1.net", "implicit_sets: [[sip:a@home1.net], []]"),
        "46:40: ues.far.implicit_sets[1]: is empty | add an entry",
    ),
    "a domain that is none": (
        ("domain: home1.net", "domain: home1"),
        "9:9: domain: `home1` is not a domain name: small letters, digits and hyphens in parts with dots between | "
        "write it in that form",
    ),
    "two accesses with the same address": (
        (LTE, LTE + "    ipv4: 10.2.0.2/24\n"),
        "15:11: accesses.lte.ipv4: the UE's address 10.2.0.2 is also that on access `wifi` "
        "(derived, since the file gives none) | give each access, and the backbone, a subnet of its own",
    ),
    "overlapping subnets": (
        (LTE, LTE + "    ipv6: fd00:0:0:2::9/64\n"),
        "15:11: accesses.lte.ipv6: subnet fd00:0:0:2::/64 overlaps fd00:0:0:2::/64 of access `wifi` "
        "(derived, since the file gives none) | give each access, and the backbone, a subnet of its own",
    ),
    "an address that is none": (
        (LTE, LTE + "    ipv4: 10.2.0.300/24\n"),
        "15:11: accesses.lte.ipv4: `10.2.0.300/24` is not an IPv4 address with prefix length | write it as 10.1.0.2/24",
    ),
    "an address of the other family": (
        (LTE, LTE + "    ipv6: 10.2.0.3/24\n"),
        "15:11: accesses.lte.ipv6: `10.2.0.3/24` is not an IPv6 address with prefix length | "
        "write it as fd00:0:0:1::2/64",
    ),
    "a subnet for an address": (
        (LTE, LTE + "    ipv4: 10.9.0.0/24\n"),
        "15:11: accesses.lte.ipv4: 10.9.0.0 is the subnet itself, not a host's address | "
        "give the UE's own address with its prefix, such as 10.9.0.2/24",
    ),
    "the broadcast address": (
        (LTE, LTE + "    ipv4: 10.9.0.255/24\n"),
        "15:11: accesses.lte.ipv4: 10.9.0.255 is the subnet's broadcast address | "
        "give the UE's own address with its prefix, such as 10.9.0.2/24",
    ),
    "an address without its prefix": (
        (LTE, LTE + "    ipv4: 10.9.0.2\n"),
        "15:11: accesses.lte.ipv4: 10.9.0.2/32 has no room for two hosts | "
        "write the prefix of the subnet behind the address, at most /30",
    ),
    "a link-local address": (
        (LTE, LTE + "    ipv6: fe80::2/64\n"),
        "15:11: accesses.lte.ipv6: fe80::2 is not an address that a host here can have | "
        "give the UE's own address with its prefix, such as fe80::2/64",
    ),
    "a server outside the backbone": (
        ("hss: {role: hss}", "hss: {role: hss, ipv4: 10.101.0.9}"),
        "33:26: servers.hss.ipv4: 10.101.0.9 is not in the backbone's subnet 10.100.0.0/24 | "
        "give one in it, or leave it out, or change backbone.ipv4",
    ),
    "two servers with the same address": (
        (
            "  scscf: {role: scscf}\n  hss: {role: hss}",
            "  scscf: {role: scscf, ipv4: 10.100.0.9}\n  hss: {role: hss, ipv4: 10.100.0.9}",
        ),
        "33:26: servers.hss.ipv4: 10.100.0.9 is also that of server `scscf` | give each server its own",
    ),
    "a backbone with no room": (
        ("ues:", "backbone: {ipv4: 10.100.0.0/28}\nues:"),
        "35:18: backbone.ipv4: 10.100.0.0/28 has no room for 8 routers and servers (servers begin at host 11) | "
        "give a larger subnet, or leave it out",
    ),
    "a backbone that is an address": (
        ("ues:", "backbone: {ipv4: 10.100.0.1/24}\nues:"),
        "35:18: backbone.ipv4: `10.100.0.1/24` is not an IPv4 subnet | "
        "write it as 10.100.0.0/24, with no bit set behind the prefix",
    ),
    "a backbone on the loopback": (
        ("ues:", "backbone: {ipv4: 127.0.0.0/8}\nues:"),
        "35:18: backbone.ipv4: 127.0.0.1 is not an address that a host here can have | "
        "leave it out, or give a private subnet",
    ),
    "a server with an access's name": (
        ("  hss:", "  lte:"),
        "33:3: servers.lte: access `lte` has this name on the backbone | rename one of them",
    ),
    "a UE with a server's name": (
        ("  far:                     #", "  hss:                     #"),
        "43:3: ues.hss: its namespace would be that of server `hss` | rename one of them",
    ),
    "a name that the rig uses": (
        ("  hss:", "  backbone:"),
        "33:3: servers.backbone: `backbone` is a name that the rig itself uses | take another name",
    ),
    "an anchor": (
        ("  wifi:\n", "  wifi: &quick\n"),
        "17:9: accesses.wifi: anchors and aliases (`&quick`) are not read here | write the value out",
    ),
    "an alias": (
        ("delay_ms: 25", "delay_ms: *quick"),
        "14:15: accesses.lte.delay_ms: anchors and aliases (`*quick`) are not read here | write the value out",
    ),
    "a tag": (
        ("name: two-access", "name: !!python/object/apply:os.system [id]"),
        "7:7: name: tags (`tag:yaml.org,2002:python/object/apply:os.system`) are not read here | "
        "write the value without its tag",
    ),
    "a key that is a list": (
        ("domain:", "? [a]\n: b\ndomain:"),
        "9:3: ?: a key is not a plain word | write `key: value`",
    ),
    "half a character": (
        ("title: LTE", 'title: "\\udc00" #'),
        "8:8: title: holds half a character (a surrogate) | write the character itself",
    ),
    "a title that moves the cursor": (
        ("title: LTE", 'title: "\\e[31m" #'),
        "8:8: title: `\\x1b[31m` is not printable text in one line | write it in that form",
    ),
    "a second document": (
        ("ues:", "---\nues:"),
        "35:1: begins a second document | keep one document in a file: remove the `---`",
    ),
    "a tab": (
        ("    kind: wired", "\tkind: wired"),
        "13:1: is not YAML: found character '\\t' that cannot start any token | indent with spaces, not with tabs",
    ),
    "a colon in a value": (
        ("name: two-access", "name: two: access"),
        "7:10: is not YAML: mapping values are not allowed here | "
        "check the indentation, and put quotes around a value with `: ` in it",
    ),
    "quotes left open": (
        ("title: LTE", "title: 'LTE"),
        "8:8: is not YAML: found unexpected end of stream | close the quotes",
    ),
    "a bracket left open": (
        ("[lte, wifi]", "[lte, wifi"),
        "37:15: is not YAML: expected ',' or ']', but got '<scalar>' | "
        "close the bracket or brace, and put commas between its items",
    ),
    "crooked indentation": (
        ("    delay_ms: 25", "     delay_ms: 25"),
        "14:6: is not YAML: expected <block end>, but found '<block mapping start>' | "
        "keys of one mapping begin in the same column: check the indentation",
    ),
}


@pytest.mark.parametrize(("change", "expected"), ONE_FAULT.values(), ids=ONE_FAULT)
def test_one_mistake_is_one_sentence(change: tuple[str, str], expected: str) -> None:
    assert faults(change) == [expected]


def test_all_faults_of_a_file_are_told_at_once_in_the_order_of_its_lines() -> None:
    found = faults(
        ("domain: home1.net\n", "domain: home1.net\ncolour: red\n"),
        ("jitter_ms: 2", "jitter_ms: -2"),
        ("pcscf: pcscf-wifi", "pcscf: pcscf-wfi"),
        ("    accesses: [far]\n", "    accesses: [fra]\n    impi: again@home1.net\n"),
    )
    assert [fault.partition(" | ")[0] for fault in found] == [
        "10:1: colour: there is no such key here",
        "16:16: accesses.lte.jitter_ms: -2 is less than 0",
        "22:12: accesses.wifi.pcscf: there is no server `pcscf-wfi`",
        "23:3: accesses.far: no UE has this access",
        "45:16: ues.far.accesses[0]: there is no access `fra`",
        "47:5: ues.far.impi: the key stands here a second time, first in line 46",
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n"])
def test_an_empty_file_is_said_to_be_empty(text: str) -> None:
    assert faults_of(text) == ["is empty | begin with a file that ships with the project"]


@pytest.mark.parametrize("text", ["- a\n", "word\n", "5\n"])
def test_a_file_that_is_no_mapping_is_said_to_be_none(text: str) -> None:
    assert faults_of(text) == ["is not a mapping of keys to values | write it as `key: value` lines of plain text"]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "? " * 3000, "- " * 5000])
def test_a_file_nested_without_end_is_refused_at_twenty_levels(text: str) -> None:
    assert any("nested more than 20 deep" in fault for fault in faults_of(text))


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    assert len(faults_of("\n".join(lines))) < 500


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"^/nowhere/rig\.yaml: cannot be read: no such file or directory\n  mend: "):
        load(Path("/nowhere/rig.yaml"))


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\x7fELF\x02\x01\0\0\xd0", r"is not UTF-8 text \(byte 9 is 0xd0\)"),
        (b"name: a\0b", r"is not text \(character 8 is NUL\)"),
        (b"name: a\x07b", r"is not YAML: unacceptable character"),
        ("name: zwei".encode("utf-16"), r"is not UTF-8 text \(byte 1 is 0xff\)"),
        (b"a" * (1 << 20) + b"a", r"is larger than 1048576 bytes"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, what: str) -> None:
    path = tmp_path / "rig.yaml"
    path.write_bytes(raw)
    with pytest.raises(UsageError, match=what):
        load(path)


def test_a_device_without_end_is_refused() -> None:
    with pytest.raises(UsageError, match="is larger than"):
        load(Path("/dev/zero"))


def test_a_byte_order_mark_and_dos_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + VALID.replace("\n", "\r\n").encode())
    assert load(path) == loads(VALID)


def test_a_bare_name_means_the_file_that_ships() -> None:
    assert resolve("two-access") == SHIPPED / "two-access.yaml"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(VALID, encoding="utf-8")
    assert resolve(str(path)) == path


def test_a_folder_of_the_same_name_does_not_hide_what_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "two-access").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("two-access") == SHIPPED / "two-access.yaml"


@pytest.mark.parametrize("name", ["two-acess", "elsewhere/two-access.yaml"])
def test_an_unknown_name_is_answered_with_the_nearest(name: str) -> None:
    with pytest.raises(UsageError, match=f"there is no topology `{name}`\n  mend: did you mean `two-access`"):
        resolve(name)
