#!/bin/sh
# Makes one environment with a published MeshAgent client:  setup.sh NAME DIR
# NAME is python-0.56.0, python-0.0.21 or javascript-0.39.9; DIR is where it goes.
# A finished environment is left as it is; a half-made or outdated one is made anew.
# Exit 3: this machine lacks something; the reason is one sentence on stderr.
set -eu

lack() { echo "$1" >&2; exit 3; }

[ $# -eq 2 ] || { echo "usage: setup.sh python-0.56.0|python-0.0.21|javascript-0.39.9 DIR" >&2; exit 2; }
name=$1
dir=$2
stamp=$dir/.finished
venv=$dir/venv/bin/python
HOME=${HOME:-/}

# The direct versions; the rest follows from what these packages ask for.
case $name in
  python-0.56.0) pins='meshagent-api==0.56.0 meshagent-cli==0.56.0' ;;
  python-0.0.21) pins='meshagent-api==0.0.21' ;;
  javascript-0.39.9) pins='@meshagent/meshagent@0.39.9' ;;
  *) echo "unknown environment $name" >&2; exit 2 ;;
esac
want=$( (cat "$0"; echo "$name $pins") | cksum)

# find_python WANTED COMMAND...: the first command that is a Python of a wanted version.
# Version managers put names on PATH that do not run, so each candidate is asked.
find_python() {
  wanted=$1
  shift
  for candidate in "$@"; do
    if "$candidate" -c "import sys, venv; sys.exit(not ($wanted))" >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
}

# Runs an installer quietly; what it says is shown when it fails.
install() {
  "$@" >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; return 1; }
}

# first_install INSTALLER...: fails when the index is out of reach, which is no fault of the client.
first_install() {
  install "$@" || lack "$name could not be fetched; is a package index within reach?"
}

# meshagent-api 0.56.0 asks for a certifi newer than an index may hold, and pip has no way to
# overrule one requirement. So the meshagent packages go in without their requirements; those are
# read from the packages themselves and installed with that one floor left out.
install_relaxed() {
  first_install "$venv" -m pip install --no-deps "$@"
  while :; do
    missing=$("$venv" -c "$read_requirements" meshagent)
    [ -n "$missing" ] || break
    # shellcheck disable=SC2086  # one word per package
    install "$venv" -m pip install --no-deps $missing
  done
  "$venv" -c "$read_requirements" others >"$dir/requirements.txt"
  install "$venv" -m pip install -r "$dir/requirements.txt"
  unmet=$("$venv" -m pip check | grep -v -e ' has requirement certifi>=' -e '^No broken' || true)
  [ -z "$unmet" ] || { echo "$unmet" >&2; return 1; }
}

read_requirements='
import re, sys
from importlib.metadata import distributions
from pip._vendor.packaging.requirements import Requirement
def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()
ours = [d for d in distributions() if plain(d.metadata["Name"]).startswith("meshagent-")]
have = {plain(d.metadata["Name"]) for d in ours}
lines = set()
for requirement in (Requirement(text) for d in ours for text in d.requires or []):
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        continue
    name = plain(requirement.name)
    if name.startswith("meshagent-") != (sys.argv[1] == "meshagent") or name in have:
        continue
    if name == "certifi":
        requirement.specifier = ""
    requirement.marker = None
    lines.add(str(requirement).replace(" ", ""))
print("\n".join(sorted(lines)))
'

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
  exit 0
fi

case $name in
  python-0.56.0)
    python=$(find_python 'sys.version_info >= (3, 13)' \
      python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python \
      python3.14 "$HOME"/.pyenv/versions/3.14*/bin/python python3)
    [ -n "$python" ] || lack "the MeshAgent client 0.56.0 needs Python 3.13 or later, and there is none"
    ;;
  python-0.0.21)
    # It calls int.to_bytes without a byte order (3.11), and its aiohttp has wheels up to 3.13.
    python=$(find_python '(3, 11) <= sys.version_info < (3, 14)' \
      python3 python3.13 python3.12 python3.11 "$HOME"/.pyenv/versions/3.1[123]*/bin/python)
    [ -n "$python" ] || lack "the MeshAgent client 0.0.21 needs Python 3.11 to 3.13, and there is none"
    ;;
  javascript-0.39.9)
    command -v npm >/dev/null 2>&1 || lack "the MeshAgent JavaScript client needs npm, and there is none"
    node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' >/dev/null 2>&1 ||
      lack "the MeshAgent JavaScript client needs Node 20 or later, and there is none"
    ;;
esac

# Only what this script made may be removed: an empty folder, or one that it marked as its own.
if [ -e "$dir" ] && [ ! -f "$dir/.anteroom-client" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "$dir exists and was not made by this script; name another folder" >&2
  exit 2
fi
rm -rf "$dir"
mkdir -p "$dir"
touch "$dir/.anteroom-client"

case $name in
  python-0.56.0)
    install "$python" -m venv "$dir/venv"
    # shellcheck disable=SC2086  # one word per package
    install_relaxed $pins
    ;;
  python-0.0.21)
    install "$python" -m venv "$dir/venv"
    # shellcheck disable=SC2086
    first_install "$venv" -m pip install $pins
    ;;
  javascript-0.39.9)
    echo '{"private": true}' >"$dir/package.json"
    # shellcheck disable=SC2086
    first_install npm install --prefix "$dir" --save-exact --no-audit --no-fund --loglevel=error $pins
    ;;
esac
echo "$want" >"$stamp"
