#!/usr/bin/env bash
# Measures anteroom beside Redis, NATS, RabbitMQ and beanstalkd in one run and prints the ratios:
#   examples/bench/table.sh [RESULTS.jsonl]
# The peers come from the distribution (apt-get install redis-server nats-server rabbitmq-server beanstalkd); one that
# is not there is left out, and said so. Takes about ten minutes; nothing else should run meanwhile.
# ROUNDS (2) and SECS (1) per case; BENCH_DIR: where data goes, on the disk that is to be measured.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
export OUT=${1:-$PWD/bench-results.jsonl} ROUNDS=${ROUNDS:-2} SECS=${SECS:-1}
export BENCH_DIR=${BENCH_DIR:-$(mktemp -d)} BENCH_SECRET=a-secret-for-the-tokens-of-the-bench
: > "$OUT"

target() { cargo metadata --no-deps --format-version 1 | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])'; }
(cd "$top" && cargo build --release --quiet)
(cd "$here/load" && cargo build --release --quiet)
export ANTEROOM=${ANTEROOM:-$(cd "$top" && target)/release/anteroom}
tools=$(cd "$here/load" && target)/release
export LOAD=$tools/load

has() { command -v "$1" > /dev/null || [ -x "/usr/sbin/$1" ] || { echo "not measured: there is no $1" >&2; return 1; }; }
peers() { # LEVEL
  if has redis-server; then echo "redis-list:$1 redis-stream:$1"; fi
  if [ "$1" != fsync ] && has nats-server; then echo "nats:$1"; fi
  if has rabbitmq-server; then echo "rabbitmq:$1"; fi
  if has beanstalkd; then echo "beanstalkd:$1"; fi
}
run() { "$here/sidebyside.sh" "$@" 2> >(grep -v '^[a-z-]* *[a-z]* *\(send\|recv\|both\|lat\) ' >&2); }
native=(anteroom:mem:anteroom:"$here/anteroom.sh --memory")
mesh=(meshagent:mem:anteroom-meshagent:"$here/anteroom.sh --memory")
relaxed=(anteroom:disk:anteroom:"$here/anteroom.sh")
durable=(anteroom:fsync:anteroom:"$here/anteroom.sh" meshagent:fsync:anteroom-meshagent:"$here/anteroom.sh")
echoes=("ws-echo:mem:echo:$tools/echo actix-web-actors" "meshagent-echo:mem:responder:$tools/echo meshagent")

echo "in memory, pipelined" >&2
# shellcheck disable=SC2046  # one word per peer
CASES=4:64 PHASES=send,both run "${native[@]}" "${mesh[@]}" "${echoes[@]}" $(peers mem)
echo "in memory, one in flight, on one processor" >&2
# shellcheck disable=SC2046
PIN=0 CASES=1:1 PHASES=send run "${native[@]}" "${mesh[@]}" "${echoes[@]}" $(has redis-server && echo redis-list:mem)
echo "written, not synced" >&2
# shellcheck disable=SC2046
CASES=4:64 PHASES=both run "${relaxed[@]}" $(has nats-server && echo nats:disk)
echo "durable" >&2
# shellcheck disable=SC2046
CASES="4:64 16:64 64:1 1:1" PHASES=send,both run "${durable[@]}" $(peers fsync)
"$tools/floor" "$BENCH_DIR" fsync >> "$OUT"
python3 "$here/ratios.py" "$OUT"
