"""Ratios of one run of table.sh, as a table in Markdown: python3 ratios.py RESULTS.jsonl"""

import json
import sys
from statistics import median


def read(path):
    """(who, level, senders, window, phase) -> the results of the rounds."""
    found = {}
    for line in open(path):
        one = json.loads(line)
        if "bench" in one:
            found["floor", one["what"]] = [one]
            continue
        who = one["peer"]
        if "phase" not in one:
            print(f"failed: {who} {one['level']} {one['p']}/{one['c']}: {one['error'][:100]}", file=sys.stderr)
            continue
        if one.get("lost") or one.get("dup") or one.get("bad"):
            sys.exit(f"{who} lost, repeated or changed messages: {one}")
        key = who, one["level"], one["p"], one["window"], one["phase"]
        found.setdefault(key, []).append(one)
    return found


class Results:
    def __init__(self, found):
        self.found = found

    def rate(self, who, level, senders, window, phase):
        rounds = self.found.get((who, level, senders, window, phase))
        return median(one["per_s"] for one in rounds) if rounds else None

    def cpu(self, who, level, senders, window, phase):
        rounds = self.found.get((who, level, senders, window, phase))
        return median(one["server_cpu_us_per_msg"] for one in rounds) if rounds else None

    def best(self, whos, *case):
        rates = [rate for rate in (self.rate(who, *case) for who in whos) if rate]
        return max(rates, default=None)


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours and theirs else "–"


def main(path):
    r = Results(read(path))
    redis = ["redis-list", "redis-stream"]
    us, mesh = "anteroom", "anteroom-meshagent"
    rows, mesh_rows = [], []

    def row(number, what, floor, goal, ours, theirs):
        rows.append((number, what, floor, goal, ratio(ours, theirs), ours, theirs))

    def end_to_end(number, what, floor, goal, case, theirs):
        row(number, what, floor, goal, r.rate(us, *case), theirs)
        mesh_rate = r.rate(mesh, *case)
        mesh_rows.append((number, what, "", "", ratio(mesh_rate, theirs), mesh_rate, theirs))

    case = ("mem", 4, 64, "both")
    end_to_end("1", "memory, 4/4 w64, end to end : better Redis", 1.5, 2.3, case, r.best(redis, *case))
    row("2", "same, server CPU per message : Redis lists", "≤ 0.7", "≤ 0.45", r.cpu(us, *case), r.cpu("redis-list", *case))
    for who, floor, goal in [("nats", 5, 8), ("beanstalkd", 8, 16), ("rabbitmq", 12, 23)]:
        end_to_end("3", f"memory, end to end : {who}", floor, goal, case, r.rate(who, *case))
    case = ("mem", 4, 64, "send")
    row("4", "memory, send : WebSocket echo", 0.35, 0.46, r.rate(us, *case), r.rate("echo", *case))
    one = ("mem", 1, 1, "send")
    row("5", "one in flight, one processor, send : echo", 0.8, 0.9, r.rate(us, *one), r.rate("echo", *one))
    row("5", "the same : Redis lists", 0.85, 1.0, r.rate(us, *one), r.rate("redis-list", *one))
    case = ("disk", 4, 64, "both")
    row("6", "written, not synced, end to end : NATS file stream", 6, 9, r.rate(us, *case), r.rate("nats", *case))
    case = ("fsync", 4, 64, "both")
    end_to_end("7", "durable, 4/4 w64, end to end : better Redis", 2.5, 4, case, r.best(redis, *case))
    case = ("fsync", 16, 64, "both")
    end_to_end("8", "durable, 16/16 w64 : better Redis", 3, 4.3, case, r.best(redis, *case))
    for who, floor, goal in [("rabbitmq", 15, 32), ("beanstalkd", 50, 120)]:
        end_to_end("8", f"the same : {who}", floor, goal, case, r.rate(who, *case))
    case = ("fsync", 64, 1, "both")
    end_to_end("9", "durable, 64/64 w1 : better Redis", 1.1, 1.4, case, r.best(redis, *case))
    case = ("fsync", 1, 1, "both")
    end_to_end("10", "durable, 1/1 w1, end to end : better Redis", 1.5, 1.9, case, r.best(redis, *case))
    end_to_end("10", "the same : beanstalkd", 1.0, 1.15, case, r.rate("beanstalkd", *case))
    (loop,) = r.found.get(("floor", "overwrite 4 KiB + fdatasync"), [{"per_s": None}])
    case = ("fsync", 1, 1, "send")
    row("11", "durable, 1/1 w1, sends : overwriting 4 KiB + fdatasync", 0.6, 0.75, r.rate(us, *case), loop["per_s"])
    case = ("mem", 4, 64, "send")
    row("17", "MeshAgent framing, memory, send : bare responder", 0.35, 0.45, r.rate(mesh, *case), r.rate("responder", *case))
    row("17", "the same, one in flight, one processor", 0.8, 0.9, r.rate(mesh, *one), r.rate("responder", *one))

    show(rows)
    print("\nThe same with MeshAgent's framing, two WebSocket messages for a request and two for an answer:\n")
    show(mesh_rows)


def show(rows):
    print("| # | what | floor | goal | measured | anteroom | the other |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for number, what, floor, goal, measured, ours, theirs in rows:
        shown = [f"{value:,.2f}" if value and value < 100 else f"{value:,.0f}" if value else "–" for value in (ours, theirs)]
        print(f"| {number} | {what} | {floor} | {goal} | {measured} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main(sys.argv[1])
