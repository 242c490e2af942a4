"""What runs on the far side of an SSH connection besides the command itself, for dash, bash and busybox.

The login shell of the far user splits our words again; :func:`command` quotes them for it (POSIX rules: sh, bash, ash,
zsh; not csh).  No file transfer protocol is used: an access point's small SSH server has none.

A process is found by a token in its environment, as on this machine (:mod:`drivers.host.processes`); it takes a /proc.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from drivers.host.processes import PART

# Runs "$@" as long as our end of the connection holds its standard input open; the connection broken, the command is
# ended: nothing is left behind.  The watcher keeps away from standard output, which must end with the command; once it
# has begun to end things, the end of the first of them no longer stops it.  The child may not bear its token yet.
TIED = """\
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
{{ cat <&3 >/dev/null; trap '' TERM; kill "$child"; exec 3<&-; {end}; }} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""

# $1: what the environment holds; $2: patience in tenths of a second; the script's own processes do not bear the token.
# Of a family only the eldest are asked: a daemon ends its own children in its own order.
END = """\
find() {
  for file in $(grep -l -F -e "$1" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${file#/proc/}
    echo "${pid%/environ}"
  done
}
named() { echo "process $1 ($(cat "/proc/$1/comm" 2>/dev/null))$2"; }
asked=' '
turn=0
while [ "$turn" -lt "$2" ]; do
  found=" $(find "$1" | tr '\\n' ' ')"
  [ "$found" = ' ' ] && exit 0
  for pid in $found; do
    parent=$(sed 's/.*) [A-Za-z] \\([0-9]*\\) .*/\\1/' "/proc/$pid/stat" 2>/dev/null)
    case $found in *" $parent "*) continue ;; esac
    case $asked in *" $pid "*) continue ;; esac
    asked="$asked$pid "
    line=$(named "$pid")
    kill -TERM "$pid" 2>/dev/null && echo "$line"
  done
  turn=$((turn + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
turn=0
while [ "$turn" -lt 50 ]; do
  found=$(find "$1")
  [ -z "$found" ] && exit 0
  for pid in $found; do
    line=$(named "$pid" ', by force')
    kill -KILL "$pid" 2>/dev/null && [ "$turn" -eq 0 ] && echo "$line"
  done
  turn=$((turn + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
exit 1
"""

# $1: the new file's name, $2: permissions, $3: the path, $4: how many bytes it must be.  A connection that breaks looks
# like the end of what was to be written, so the length decides.
WRITE = """\
umask 077
trap 'rm -f "$1"' EXIT
cat >"$1" || exit 1
[ "$(wc -c <"$1")" -eq "$4" ] || { echo 'it came in part only' >&2; exit 1; }
chmod "$2" "$1" && { sync "$1" 2>/dev/null || sync; } && mv -f "$1" "$3"
"""


def command(argv: Sequence[str], token: str, environment: Mapping[str, str] = {}) -> str:
    """A command line for the far login shell that runs `argv` with a token and `environment`.

    The environment stands in the far side's list of processes: no place for a secret.  A shell stays, to tell by its
    status which signal ended the command: SSH's own way to tell that (RFC 4254 6.10) is lost in paramiko.
    """
    return "exec " + shlex.join(["sh", "-c", '"$@"; exit "$?"', "sh", *_with_token(token, environment), *argv])


def tied(argv: Sequence[str], token: str, environment: Mapping[str, str], patience_s: float) -> str:
    """The same, but it ends when its standard input does."""
    script = TIED.format(end=end(token, patience_s))
    return "exec " + shlex.join(["sh", "-c", script, "sh", *_with_token(token, environment), *argv])


def end(token: str, patience_s: float, variable: str = PART) -> str:
    """A command line that ends all that bears a token; it prints what it ended, a line each."""
    return shlex.join(["sh", "-c", END, "sh", f"{variable}={token}", str(max(1, round(patience_s * 10)))])


def mode(listed: str) -> int:
    """Permissions from a line of `ls -ld`; there is no `stat` on a small access point."""
    letters, special = listed[1:10], {2: ("s", "S", 0o4000), 5: ("s", "S", 0o2000), 8: ("t", "T", 0o1000)}
    found = 0
    for place, letter in enumerate(letters):
        if letter not in "-ST":
            found |= 0o400 >> place
        if place in special and letter in special[place][:2]:
            found |= special[place][2]
    return found


def _with_token(token: str, environment: Mapping[str, str]) -> list[str]:
    given = [f"{name}={value}" for name, value in environment.items()]
    return ["env", *given, f"{PART}={token}", "sh", "-c", 'exec "$@"', "sh"]
