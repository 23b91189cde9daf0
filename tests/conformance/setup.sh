#!/bin/sh
# Makes the environment of the Autobahn suite in DIR:  setup.sh DIR
# Exit 3: this machine lacks something; the reason is one sentence on stderr.
set -eu
dir=$1
[ -x "$dir/suite/bin/wstest" ] && exit 0
lack() { echo "$1" >&2; exit 3; }

# The suite runs on Python 2.7 only; the last virtualenv that makes such environments runs on any Python 3.
old=
for candidate in python2.7 "$HOME"/.pyenv/versions/2.7*/bin/python; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (2, 7))' >/dev/null 2>&1; then
    old=$(command -v "$candidate")
    break
  fi
done
[ -n "$old" ] || lack "the Autobahn suite needs Python 2.7, which is not here"
rm -rf "$dir/tool" "$dir/suite"
python3 -m venv "$dir/tool" || lack "python3 cannot make environments here"
{
  "$dir/tool/bin/pip" install virtualenv==20.15.1 &&
    "$dir/tool/bin/virtualenv" -p "$old" --setuptools 44.0.0 --no-periodic-update "$dir/suite" &&
    "$dir/suite/bin/pip" install autobahntestsuite==25.10.1
} >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; exit 1; }
