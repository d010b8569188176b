# What the scripts of this folder share: source it, do not run it.
# shellcheck shell=bash
set -euo pipefail

# Used by the scripts that source this one.
# shellcheck disable=SC2034
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# The comment at the head of the script is its help.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# What ccache needs to find the same object again from another clone, and with a precompiled header.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros

# The sanitizers of GCC 12 know address layouts of 28 random bits, while kernels now use up to 32. Whatever
# may run a sanitized program goes without; a build does, to discover the tests.
fixed_addresses=()
if setarch --addr-no-randomize true 2>/dev/null; then fixed_addresses=(setarch --addr-no-randomize); fi

# build PRESET [CMAKE OPTION...]
build() {
  local preset=$1 began=$SECONDS
  shift
  (cd "$root" && cmake --preset "$preset" --log-level=WARNING >/dev/null &&
    "${fixed_addresses[@]}" cmake --build --preset "$preset" --parallel "$(nproc)" "$@")
  took "$began" "building ($preset)"
}

# took BEGAN WHAT: says how long WHAT took, BEGAN being $SECONDS at its start.
took() { say "$2 took $((SECONDS - $1)) s"; }

# --- servers for tests -------------------------------------------------------
# A server lives in one folder: its data, `pid`, and `server.log`.

# Database servers refuse root, and are right to: there they run as `nobody`.
server_uid=$(id -u)
as_server=()
if [ "$server_uid" = 0 ]; then
  server_uid=65534
  as_server=(setpriv "--reuid=$server_uid" "--regid=$server_uid" --clear-groups --)
fi

give_to_server() {
  if [ "$(id -u)" = 0 ]; then chown "$server_uid:$server_uid" "$@"; fi
}

# launch FOLDER COMMAND...: starts a server that outlives this script, out of reach of the terminal's
# Ctrl-C, and without what a sanitizer run or a developer's own settings have put into the environment.
launch() {
  local folder=$1
  shift
  setsid env -i "PATH=$PATH:/usr/sbin" "HOME=$folder" LC_ALL=C.UTF-8 "${as_server[@]}" "$@" \
    </dev/null >>"$folder/server.log" 2>&1 9>&- & # 9 is the lock of whoever starts it
  printf '%s\n' $! >"$folder/pid"
}

# The id of the server that runs out of FOLDER, or nothing. The id alone would not do: after a
# restart of the machine it may be another program's.
running() {
  local folder=$1 pid
  pid=$(cat "$folder/pid" 2>/dev/null) || return 0
  if { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -qF -- "$folder/"; then printf '%s\n' "$pid"; fi
}

# answers_within SECONDS FOLDER COMMAND...: waits until COMMAND succeeds; gives up when the server has died.
answers_within() {
  local give_up=$((SECONDS + $1)) folder=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if [ -z "$(running "$folder")" ] || [ "$SECONDS" -ge "$give_up" ]; then
      tail -n 20 "$folder/server.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

# terminate SIGNAL FOLDER: returns when the server is gone.
terminate() {
  local signal=$1 folder=$2 pid give_up=$((SECONDS + 30))
  pid=$(running "$folder")
  if [ -z "$pid" ]; then return; fi
  kill "-$signal" "$pid"
  while [ -n "$(running "$folder")" ]; do
    if [ "$SECONDS" -ge "$give_up" ]; then
      say "process $pid does not stop: killing it"
      kill -KILL "$pid" || true
    fi
    sleep 0.05
  done
  rm -f "$folder/pid"
}

# A free port of the loopback, below those that the kernel hands to outgoing connections.
free_port() {
  /usr/bin/python3 - <<'PYTHON'
import random, socket

while True:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", random.randrange(20000, 32000)))
        except OSError:
            continue
        print(candidate.getsockname()[1])
        break
PYTHON
}
