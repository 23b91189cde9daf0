#!/bin/sh
# Makes what the tests in a browser need:  setup.sh DIR
# Prints the path of a Chromium; playwright-core is in DIR/node_modules then.
# A finished environment is left as it is; a half-made or outdated one is made anew.
# Exit 3: this machine lacks something; the reason is one sentence on stderr.
set -eu

lack() { echo "$1" >&2; exit 3; }

[ $# -eq 1 ] || { echo "usage: setup.sh DIR" >&2; exit 2; }
dir=$1
stamp=$dir/.finished
pin=playwright-core@1.65.1
want=$( (cat "$0"; echo "$pin") | cksum)

browser=
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
  [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
[ -n "$browser" ] || lack "no Chromium on PATH; Debian's package is chromium"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' 2>/dev/null \
  || lack "Node 20 or later is needed"

if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
  rm -rf "$dir"
  mkdir -p "$dir"
  echo '{"private": true}' >"$dir/package.json"
  (cd "$dir" && npm install --no-audit --no-fund --ignore-scripts "$pin") >"$dir/install.log" 2>&1 || {
    cat "$dir/install.log" >&2
    lack "$pin could not be fetched; is the npm registry within reach?"
  }
  echo "$want" >"$stamp"
fi
echo "$browser"
