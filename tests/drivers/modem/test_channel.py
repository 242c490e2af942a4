"""The AT dialogue without I/O: every form of an answer, lines from elsewhere in every place, time, and garbage."""

from __future__ import annotations

import pytest

from drivers.modem.at import channel as at
from drivers.modem.at.channel import AtChannel, Ended, Event, Intermediate, Prompted, Unsolicited
from drivers.modem.at.command import Command
from drivers.modem.errors import ModemError


def running(text: str, **options: object) -> tuple[AtChannel, Command]:
    channel, command = AtChannel(), Command(text, **options)  # type: ignore[arg-type]
    channel.submit(command, 0.0)
    assert channel.data_to_send() == text.encode() + b"\r"
    return channel, command


def the_end(events: list[Event]) -> Ended:
    ended = [event for event in events if isinstance(event, Ended)]
    assert len(ended) == 1
    return ended[0]


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ("\r\nOK\r\n", "ok", None),
        ("\r\nERROR\r\n", "error", None),
        ("\r\n+CME ERROR: 10\r\n", "error", "10"),
        ("\r\n+CME ERROR: SIM not inserted\r\n", "error", "SIM not inserted"),
        ("\r\n+CME ERROR: \r\n", "error", ""),
        ("\r\n+CMS ERROR: 500\r\n", "error", "500"),
        ("\r\nNO CARRIER\r\n", "error", None),
        ("~\x7f!NO CARRIER\r\n", "error", None),
        ("\r\nBUSY\r\n", "error", None),
        ("\r\nNO DIALTONE\r\n", "error", None),
        ("\r\nCONNECT\r\n", "connect", None),
        ("\r\nCONNECT 150000000\r\n", "connect", None),
        ("0\r", "ok", None),
        ("4\r", "error", None),
        ("\nOK\n", "ok", None),
    ],
)
def test_every_form_of_a_final_result_code_ends_the_command(answer: str, kind: str, code: str | None) -> None:
    channel, command = running("ATD*99#")
    ended = the_end(channel.receive(answer.encode(), 0.1))
    assert (ended.command, ended.why, ended.lines) == (command, "final", ())
    assert ended.final and (ended.final.kind, ended.final.code) == (kind, code)
    assert channel.state == "idle" and channel.deadline is None


@pytest.mark.parametrize("line", ["+CME ERROR:", "MODEM ERROR: apple", "UNKNOWN COMMAND", "OKAY", "2", "RING"])
def test_what_only_looks_like_a_final_result_code_ends_nothing(line: str) -> None:
    channel, _ = running("AT+CSQ")
    assert not [event for event in channel.receive(f"\r\n{line}\r\n".encode(), 0.1) if isinstance(event, Ended)]


def test_a_digit_ends_nothing_once_the_modem_has_answered_in_words() -> None:
    channel, _ = running("ATV1")
    channel.receive(b"OK\r\n", 0.1)
    again = Command("AT+XFOO?")
    channel.submit(again, 0.2)
    assert channel.receive(b"0\r\n", 0.3) == [Intermediate(again, "0")]


def test_the_echo_is_not_part_of_the_answer_though_boot_noise_stands_before_it() -> None:
    channel, _ = running("AT+CSQ")
    ended = the_end(channel.receive(b"\x00\x00\xff~AT+CSQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n", 0.1))
    assert ended.lines == ("+CSQ: 17,99",)


def test_nuls_are_noise_wherever_they_stand_and_other_bytes_are_shown() -> None:
    channel, _ = running("AT+CSQ")
    ended = the_end(channel.receive(b"\r\n+C\x00SQ: 1\xff,99\r\n\x00\r\nO\x00K\r\n", 0.1))
    assert ended.lines == ("+CSQ: 1\\xff,99",)


def test_a_wrong_echo_is_a_line_of_the_answer_and_does_no_harm() -> None:
    channel, _ = running("AT+CSQ")
    ended = the_end(channel.receive(b"AT+CXQ\r\r\n+CSQ: 17,99\r\n\r\nOK\r\n", 0.1))
    assert ended.lines == ("AT+CXQ", "+CSQ: 17,99")


def test_result_codes_that_nobody_asked_for_are_told_in_any_place() -> None:
    channel, _ = running("AT+CSQ")
    data = b'\r\n+CGEV: NW DETACH\r\nAT+CSQ\r\r\n+CREG: 2\r\n+CSQ: 17,99\r\nRING\r\n\r\nOK\r\n\r\n+CMTI: "ME",1\r\n'
    events = channel.receive(data, 0.1)
    lines = [event.line for event in events if isinstance(event, Unsolicited)]
    assert lines == ["+CGEV: NW DETACH", "+CREG: 2", "RING", '+CMTI: "ME",1']
    assert the_end(events).lines == ("+CSQ: 17,99",)


@pytest.mark.parametrize("line", ["+CEREG: 5", '+CEREG: 1,"04BE","019E7703",7', "+CEREG: 11, 78FE, 20 ,14419E ,7"])
def test_a_registration_line_in_the_middle_of_its_own_read_command_is_told_by_its_form(line: str) -> None:
    channel, command = running("AT+CEREG?")
    assert channel.receive(f"\r\n{line}\r\n".encode(), 0.1) == [Unsolicited(line)]
    answer = '+CEREG: 2,1,"04BE","019E7703",7'
    assert channel.receive(f"\r\n{answer}\r\n".encode(), 0.2) == [Intermediate(command, answer)]


def test_a_registration_line_after_setting_its_report_is_no_answer() -> None:
    channel, _ = running("AT+CREG=2")
    assert channel.receive(b"+CREG: 0,1\r\n", 0.1) == [Unsolicited("+CREG: 0,1")]


def test_several_commands_in_one_line_have_one_answer_in_whatever_order() -> None:
    channel, _ = running("AT+CPIN?;+CSQ;+CREG?")
    ended = the_end(channel.receive(b"+CSQ: 17,99\r\n\r\n+CREG: 2,1\r\n\r\n+CPIN: READY\r\n\r\nOK\r\n", 0.1))
    assert ended.lines == ("+CSQ: 17,99", "+CREG: 2,1", "+CPIN: READY")


@pytest.mark.parametrize("prompt", [b"\r\n> ", b"\r\n>", b"\r\n\x00> "])
def test_the_payload_follows_the_prompt(prompt: bytes) -> None:
    channel, command = running("AT+CMGS=23", payload=b"0011000B")
    assert channel.receive(prompt, 0.1) == [Prompted(command)]
    assert channel.data_to_send() == b"0011000B\x1a"
    assert the_end(channel.receive(b"\r\n+CMGS: 7\r\n\r\nOK\r\n", 0.2)).lines == ("+CMGS: 7",)


def test_without_a_payload_there_is_no_prompt() -> None:
    channel, command = running("AT+CGMR")
    assert channel.receive(b"> revision\r\n", 0.1) == [Intermediate(command, "> revision")]


def test_commands_take_turns() -> None:
    channel, _ = running("AT+CSQ")
    second = Command("AT+CREG?")
    channel.submit(second, 0.0)
    assert channel.data_to_send() == b""
    channel.receive(b"OK\r\n", 0.5)
    assert channel.data_to_send() == b"AT+CREG?\r"
    assert channel.deadline == 0.5 + second.timeout_s


def test_a_command_without_answer_ends_at_its_time_and_not_before() -> None:
    channel, command = running("AT+COPS?", timeout_s=3.0)
    channel.receive(b"+COPS: 0\r\n", 1.0)
    assert channel.tick(2.999) == []
    assert channel.tick(3.0) == [Ended(command, ("+COPS: 0",), None, "timeout")]


def test_a_final_result_code_whose_line_end_never_came_counts_at_the_end_of_the_time() -> None:
    channel, _ = running("AT+CGACT=0,1", timeout_s=3.0)
    channel.receive(b"\r\nNO CARRIER", 1.0)
    ended = the_end(channel.tick(3.0))
    assert (ended.why, ended.final and ended.final.text) == ("final", "NO CARRIER")


def test_a_late_answer_is_not_taken_for_that_of_the_next_command() -> None:
    channel, _ = running("AT+COPS?", timeout_s=3.0)
    channel.tick(3.0)
    following = Command("AT+CSQ")
    channel.submit(following, 4.0)
    assert channel.data_to_send() == b"AT\r", "first of all the line is made clear"
    assert channel.receive(b"\r\n+COPS: 0\r\n\r\nERROR\r\n", 4.5) == [Unsolicited("+COPS: 0")]
    assert channel.tick(4.6) == [], "the answer to AT is still to come"
    assert channel.receive(b"\r\nOK\r\n", 4.65) == []
    assert channel.tick(channel.deadline or 0.0) == []
    assert channel.data_to_send() == b"AT+CSQ\r"
    assert the_end(channel.receive(b"+CSQ: 1,99\r\nOK\r\n", 5.0)) == Ended(
        following, ("+CSQ: 1,99",), the_end_of_ok(), "final"
    )


def the_end_of_ok() -> at.Final:
    return at.Final("ok", "OK")


def test_a_modem_that_floods_us_does_not_keep_the_next_command_waiting_for_ever() -> None:
    channel, _ = running("AT+COPS?", timeout_s=3.0)
    channel.tick(3.0)
    channel.submit(Command("AT+CSQ"), 4.0)
    channel.data_to_send()
    channel.receive(b"OK\r\n", 4.0)
    now = 4.0
    while channel.state == "probing":
        now += 0.1
        assert now < 4.0 + at.LONGEST_QUIET_S + 0.2
        channel.receive(b"^RSSI: 17\r\n", now)
        channel.tick(now)
    assert channel.data_to_send() == b"AT+CSQ\r"


def test_a_port_that_does_not_even_answer_at_is_silent() -> None:
    channel, _ = running("AT+COPS?", timeout_s=3.0)
    channel.tick(3.0)
    following = Command("AT+CSQ")
    channel.submit(following, 3.0)
    events: list[Event] = []
    sent = channel.data_to_send()
    while channel.deadline is not None:
        events += channel.tick(channel.deadline)
        sent += channel.data_to_send()
    assert sent == b"AT\r" + b"\x1bAT\r" * (at.PROBES - 1), "it may have been left at a prompt"
    assert events == [Ended(following, (), None, "silent")]


def test_an_abortable_command_is_interrupted_and_its_own_end_awaited() -> None:
    channel, command = running("AT+COPS=?", timeout_s=180.0, abortable=True)
    assert channel.abort(command, 1.0) == []
    assert channel.data_to_send() == b"\r"
    ended = the_end(channel.receive(b"\r\nABORTED\r\n", 1.1))
    assert (ended.why, ended.final and ended.final.text) == ("final", "ABORTED")


def test_an_interruption_that_the_modem_ignores_ends_in_time() -> None:
    channel, command = running("AT+COPS=?", timeout_s=180.0, abortable=True)
    channel.abort(command, 1.0)
    assert channel.tick(1.0 + at.ABORT_S) == [Ended(command, (), None, "aborted")]


def test_a_command_that_is_given_up_before_its_prompt_is_escaped_from() -> None:
    channel, command = running("AT+CMGS=23", payload=b"00")
    channel.abort(command, 1.0)
    assert channel.data_to_send() == b"\x1b"
    assert channel.receive(b"\r\n> ", 1.05) == [], "the prompt came while we wrote"
    assert channel.data_to_send() == b""
    assert the_end(channel.receive(b"\r\nOK\r\n", 1.1)).why == "final"


def test_a_waiting_command_is_given_up_without_a_word_to_the_modem() -> None:
    channel, _ = running("AT+CSQ")
    second = Command("AT+CREG?")
    channel.submit(second, 0.0)
    assert channel.abort(second, 0.1) == [Ended(second, (), None, "aborted")]
    the_end(channel.receive(b"OK\r\n", 0.2))
    assert channel.data_to_send() == b"" and channel.state == "idle"


def test_when_the_port_goes_every_command_ends() -> None:
    channel, first = running("AT+CSQ")
    second = Command("AT+CREG?")
    channel.submit(second, 0.0)
    channel.receive(b"+CSQ: 1", 0.1)
    assert channel.gone() == [Ended(first, (), None, "gone"), Ended(second, (), None, "gone")]


def test_a_line_without_end_is_cut_so_that_memory_has_one() -> None:
    channel, _ = running("AT+CSQ")
    events = channel.receive(b"x" * 20_000 + b"\r\nOK\r\n", 0.1)
    assert [len(event.line) for event in events if isinstance(event, Intermediate)] == [8192, 8192, 3616]
    assert the_end(events).why == "final"


@pytest.mark.parametrize("text", ["CSQ", "AT+CSQ\r", "AT\x1a", "AT+COPS=é", ""])
def test_what_is_no_command_line_is_never_sent(text: str) -> None:
    with pytest.raises(ModemError, match="is no command line"):
        Command(text)


def test_a_secret_command_is_shown_without_its_secret() -> None:
    command = Command('AT+CPIN="1234"', secret=True)
    assert command.shown == "AT+CPIN=..."
