# apt with a state of its own, for the scripts that download from Debian: source it after lib.sh.
# The machine's package lists, status and pins are neither read nor changed; any user may do it.
# shellcheck shell=bash

# prepare_apt FOLDER SUITE LANGUAGES [LINE...]: makes the state in FOLDER, so that `private_apt` works there
# on SUITE. LINEs are further lines of the source's description, see sources.list(5).
prepare_apt() {
  local folder=$1 suite=$2 languages=$3 archive
  shift 3
  mkdir -p "$folder"/{sources,preferences,lists/partial,archives/partial} || return
  : >"$folder/status"
  archive=$(debian_archive) || return
  if [ -z "$archive" ]; then
    say "apt is configured with no Debian archive"
    return 1
  fi
  printf '%s\n' "Types: deb" "URIs: $archive" "Suites: $suite" "Components: main" \
    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" "$@" >"$folder/sources/debian.sources"
  apt_log=$folder/log
  # Options of the command line come after all files, so the machine's apt.conf.d cannot undo them.
  apt_command=(apt-get -q -o "Dir::State=$folder" -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder"
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$folder/sources"
    -o Dir::Etc::preferences=/dev/null -o "Dir::Etc::preferencesparts=$folder/preferences"
    -o APT::Default-Release= -o APT::Sandbox::User=root
    -o APT::Update::Error-Mode=any -o APT::Update::Post-Invoke::= -o APT::Update::Post-Invoke-Success::=
    -o "Acquire::Languages=$languages" -o Acquire::GzipIndexes=false
    -o Acquire::Retries=3 -o Acquire::http::Timeout=30)
}

private_apt() {
  "${apt_command[@]}" "$@" >"$apt_log" 2>&1 || { cat "$apt_log" >&2; return 1; }
}

# Debian's name for the release that this machine runs.
codename() {
  # shellcheck source=/dev/null
  (. /etc/os-release && printf '%s\n' "$VERSION_CODENAME")
}

# Where the machine's own Debian comes from.
debian_archive() {
  local release
  release=$(codename)
  # shellcheck disable=SC2016 # apt fills these in
  apt-get indextargets --no-release-info --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
    sed -n "s/^$release //p" | sort -u | head -n 1
}

# thrice CALL...: in a process of its own, until it succeeds.
thrice() {
  local attempt
  for attempt in 1 2 3; do
    if ("$@"); then return; fi
    say "attempt $attempt of 3 failed"
    if [ "$attempt" -lt 3 ]; then sleep $((attempt * 5)); fi
  done
  return 1
}
