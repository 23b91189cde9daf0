#!/usr/bin/env bash
# Measures what a message costs when there is much of something, and draws it:
#   examples/bench/growth.sh [growth.svg [MOST]]
# MOST: nothing larger is measured (all of it takes a quarter of an hour and 12 GB of disk). AXES: only these.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
svg=${1:-$PWD/growth.svg} most=${2:-100000000}
out=${svg%.svg}.jsonl
export BENCH_DIR=${BENCH_DIR:-$(mktemp -d)} BENCH_SECRET=a-secret-for-the-tokens-of-the-bench

target() { cargo metadata --no-deps --format-version 1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])'; }
(cd "$top" && cargo build --release --quiet)
(cd "$here/load" && cargo build --release --quiet)
export ANTEROOM=${ANTEROOM:-$(cd "$top" && target)/release/anteroom}
growth=$(cd "$here/load" && target)/release/growth

: > "$out"
port=${PORT:-14950}
for axis in ${AXES:-depth queues rooms connections parked partitions groups body}; do
  addr=127.0.0.1:$port
  # A queue of ten million is deeper than memory should be; everything else is without a disk.
  memory=--memory
  [ "$axis" = depth ] && memory=
  # shellcheck disable=SC2086  # one word or none
  "$here/anteroom.sh" $memory --limit frame_bytes=64MiB --limit message_bytes=64MiB --limit groups_per_queue=20000 "$addr" > /dev/null 2>&1 & pid=$!
  for _ in $(seq 100); do (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.1; done
  "$growth" "$addr" "$pid" "$axis" "$most" | tee -a "$out" >&2
  kill "$pid"; wait "$pid" || true
  port=$((port + 1))
done
python3 "$here/growth.py" "$out" > "$svg"
