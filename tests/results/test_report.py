"""The report: one page that works alone, with everything drawn that was captured."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from synthetic_call import LTE, P_LTE, WIFI, Call, Moments, sip

from testbed.cli.main import cli
from testbed.errors import UsageError
from testbed.measure.pcapng_writer import udp_packet
from testbed.measure.words import Procedure
from testbed.results.analyse import analyse
from testbed.results.folder import RunFolder

VOID = {"meta", "br", "img", "link", "hr"}


class Outline(HTMLParser):
    """Checks that tags nest, and collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed by itself."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data.strip())


def page(folder: RunFolder) -> str:
    return (folder.path / "report.html").read_text(encoding="utf-8")


def report(tmp_path: Path, call: Call | None = None, **changes: object) -> tuple[RunFolder, str]:
    call = call or Call()
    folder = RunFolder.create(tmp_path, "global-reregistration")
    call.write(folder)
    analyse(folder, call.context(**changes))
    return folder, page(folder)


def test_the_page_is_whole_and_fetches_nothing_but_its_own_evidence(tmp_path: Path) -> None:
    folder, text = report(tmp_path)
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert outline.fetched
    assert all((folder.path / path).is_file() for path in outline.fetched)
    assert "<script" not in text
    assert re.findall(r"(?:https?:)?//[\w.]+|url\(|@import", text) == []


def test_the_page_says_everything_that_matters(tmp_path: Path) -> None:
    _, text = report(tmp_path)
    outline = Outline()
    outline.feed(text)
    assert [heading for heading in outline.headings if heading] == [
        "global-reregistration: lte to wifi after loss of carrier", "The handoff", "Media around the trigger",
        "Where the time went", "Above the floor, and whose it is", "What was said", "IMS connections at the end",
        "How these figures were obtained", "Evidence",
    ]  # fmt: skip
    for word in ("105.0", "± 8.2 ms", "83.0 ms", "REGISTER → 401", "core+network", "sip:ue@home.example"):
        assert word in text


def test_the_drawings_are_well_formed_and_hold_every_packet(tmp_path: Path) -> None:
    _, text = report(tmp_path)
    timeline, ladder = (ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    paths = {path.get("class"): path.get("d") or "" for path in timeline.iter("path")}
    assert paths["lost"].count("M") == 7, "downlink packets sent and lost"
    arrows = [line for line in ladder.iter("line") if "arrow" in (line.get("class") or "")]
    assert len(arrows) == 9 + 2, "nine messages and two directions of media"
    assert sum("open" in (line.get("class") or "") for line in arrows) == 2, "the first REGISTER and its 401"


def test_what_was_captured_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    evil = sip("INVITE", 99, more='Contact: "<script>alert(1)</script>" <sip:x>\r\n').replace(b"sip:home", b"<b>home")
    extra = ((70.0, udp_packet(WIFI, 5060, "10.9.0.2", 5060, evil), True),)
    _, text = report(tmp_path, Call(extra_ue=extra), notes=("<script>note</script>",), failures=("<i>broke</i>",))
    assert "<script" not in text
    assert "&lt;script&gt;note" in text
    assert "<i>broke" not in text


def test_no_credentials_reach_the_page(tmp_path: Path) -> None:
    answer = sip("REGISTER", 9, more='Authorization: Digest username="ue", response="deadbeefcafe"\r\n')
    _, text = report(tmp_path, Call(extra_ue=((33.0, udp_packet(WIFI, 5060, "10.9.0.2", 5060, answer), True),)))
    assert "deadbeefcafe" not in text


@pytest.mark.parametrize("changes", [
    {}, {"procedure": Procedure.RELEASE7, "ssrc_after": 3},
    {"procedure": Procedure.MAKE_BEFORE_BREAK,
     "moments": Moments(None, -420, -400, -376, -371, -345, -343, -313, -312, -284, -283.5)},
    {"moments": replace(Moments(), invite=None, far_heard=None, far_answered=None, answered=None, moved=None)},
    {"markers": False}, {"protected": False}, {"v6": True},
])  # fmt: skip
def test_every_kind_of_run_has_a_page(tmp_path: Path, changes: dict[str, object]) -> None:
    _, text = report(tmp_path, Call(**changes))  # type: ignore[arg-type]
    outline = Outline()
    outline.feed(text)
    assert outline.open == []
    assert "Evidence" in text


def test_a_run_without_captures_has_a_page_with_its_reason(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "x")
    analyse(folder, Call().context(rig_errors=("the kernel lacks ESP",)))
    assert "the kernel lacks ESP" in page(folder)
    assert "No handoff was measured" in page(folder)


def test_a_run_that_never_came_to_a_handoff_shows_how_far_it_came(tmp_path: Path) -> None:
    _, text = report(tmp_path, Call(markers=False), failures=("registration refused: 403 Forbidden",))
    assert "No handoff was measured in this run" in text
    assert "401 Unauthorized (REGISTER)" in text
    assert "milliseconds from the first message" in text


def test_both_p_cscfs_stand_beside_the_ue_when_both_spoke(tmp_path: Path) -> None:
    extra = ((200.0, udp_packet(P_LTE, 5060, LTE, 5060, sip("NOTIFY", 4)), False),)
    _, text = report(tmp_path, Call(extra_ue=extra))
    names = re.findall(r'font-weight="650">([^<]+)<', text)
    assert names == ["P-CSCF lte", "UE", "P-CSCF wifi", "P-CSCF far", "far UE"]


# The verbs


def test_report_rebuilds_what_was_deleted_and_ends_with_the_verdict(tmp_path: Path) -> None:
    folder, text = report(tmp_path, failures=("the call was lost",))
    for name in ("report.html", "result.json", "timeline.jsonl"):
        (folder.path / name).unlink()
    done = CliRunner().invoke(cli, ["report", folder.id, "--runs", str(tmp_path)])
    assert done.exit_code == 1
    assert "FAILED" in done.output
    assert page(folder) == text


def test_report_of_an_old_version_without_its_context_is_a_sentence(tmp_path: Path) -> None:
    folder, _ = report(tmp_path)
    (folder.path / "context.json").unlink()
    done = CliRunner().invoke(cli, ["report", str(folder.path)])
    assert isinstance(done.exception, UsageError)


def test_runs_list_shows_runs_with_and_without_a_result(tmp_path: Path) -> None:
    folder, _ = report(tmp_path)
    other = RunFolder.create(tmp_path, "release7")
    done = CliRunner().invoke(cli, ["runs", "list", "--runs", str(tmp_path)], env={"COLUMNS": "100"})
    assert folder.id in done.output
    assert other.id in done.output
    assert "no result" in done.output
    as_json = CliRunner().invoke(cli, ["runs", "list", "--runs", str(tmp_path), "--json"])
    assert '"verdict": "passed"' in as_json.output
    shutil.rmtree(folder.path)
