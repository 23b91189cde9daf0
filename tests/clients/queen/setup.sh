#!/bin/sh
# Makes one environment with a published Queen MQ client:  setup.sh NAME DIR
# NAME is queen-2.6.0 or queen-0.13.0; DIR is where it goes.
# A finished environment is left as it is; a half-made or outdated one is made anew.
# Exit 3: this machine lacks something; the reason is one sentence on stderr.
set -eu

lack() { echo "$1" >&2; exit 3; }

[ $# -eq 2 ] || { echo "usage: setup.sh queen-2.6.0|queen-0.13.0 DIR" >&2; exit 2; }
name=$1
dir=$2
stamp=$dir/.finished

case $name in
  queen-2.6.0 | queen-0.13.0) pin=queen-mq==${name#queen-} ;;
  *) echo "unknown environment $name" >&2; exit 2 ;;
esac
want=$( (cat "$0"; echo "$name $pin") | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
  exit 0
fi

python=
for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
  if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || lack "the Queen client needs Python 3.10 or later, and there is none"

# Only what this script made may be removed: an empty folder, or one that it marked as its own.
if [ -e "$dir" ] && [ ! -f "$dir/.anteroom-client" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "$dir exists and was not made by this script; name another folder" >&2
  exit 2
fi
rm -rf "$dir"
mkdir -p "$dir"
touch "$dir/.anteroom-client"
"$python" -m venv "$dir/venv" >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; exit 1; }
"$dir/venv/bin/python" -m pip install "$pin" >"$dir/install.log" 2>&1 ||
  { cat "$dir/install.log" >&2; lack "$name could not be fetched; is a package index within reach?"; }
echo "$want" >"$stamp"
