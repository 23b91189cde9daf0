"""Scenarios with the published command line client 0.56.0: cli.py --list | SCENARIO

It runs as its users run it, with a home of its own that is thrown away, nothing of the caller's
environment, and a hook that ends it when it connects to anything but loopback.
"""

import asyncio
import json
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True  # these folders are part of the sources

import client_0_56_0
from harness import check, main, same, scenario, setting
from meshagent.api.keys import parse_api_key

HERE = pathlib.Path(__file__).parent
COMMAND = pathlib.Path(sys.executable).with_name("meshagent")


def with_token(lab, **options):
    """A ready token: the command makes no HTTP call for it."""
    return {
        "MESHAGENT_TOKEN": lab.token("cli", **options),
        "MESHAGENT_ROOM": lab.room,
        "MESHAGENT_PROJECT_ID": "p",
    }


def with_key(key):
    """The key: the command asks for a token over HTTP first."""
    return {
        "MESHAGENT_API_KEY": key,
        "MESHAGENT_PROJECT_ID": parse_api_key(setting("ANTEROOM_API_KEY")).project_id,
    }


async def meshagent(lab, auth, *args):
    """Runs `meshagent room queue ARGS` and gives its exit code and what it printed."""
    with tempfile.TemporaryDirectory() as home:
        process = await asyncio.create_subprocess_exec(
            COMMAND, "room", "queue", *args, "--room", lab.room,
            cwd=home,
            env={
                "HOME": home,
                "PATH": "/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "PYTHONPATH": str(HERE / "loopback"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "MESHAGENT_API_URL": lab.url,
                **auth,
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
    print(f"$ {' '.join(args)} -> {process.returncode}", err.decode(), file=sys.stderr)
    return process.returncode, out.decode()


MESSAGE = {"text": "Grüße", "n": [1, 2.5, None]}


async def sends(lab, auth):
    member = await lab.join()
    code, _ = await meshagent(lab, auth, "send", "--queue", "q", "--json", json.dumps(MESSAGE))
    same(code, 0, "exit code of send")
    same(await member.sizes(), {"q": 1})
    same(await member.receive("q"), MESSAGE)


async def receives(lab, auth):
    member = await lab.join()
    await member.send("q", MESSAGE)
    code, out = await meshagent(lab, auth, "receive", "--queue", "q")
    same((code, out.strip()), (0, str(MESSAGE)), "receive")
    same(await member.sizes(), {"q": 0})


async def says_size(lab, auth):
    member = await lab.join()
    await member.send("q", MESSAGE)
    code, out = await meshagent(lab, auth, "size", "--queue", "q")
    same((code, out.strip()), (0, "1"), "size")


async def lists_as_json(lab, auth):
    member = await lab.join()
    await member.send("first", MESSAGE)
    await member.open("second")
    code, out = await meshagent(lab, auth, "list", "--output", "json")
    same(code, 0, "exit code of list")
    queues = sorted(json.loads(out)["queues"], key=lambda queue: queue["name"])
    same(queues, [{"name": "first", "size": 1}, {"name": "second", "size": 0}])


async def lists_as_a_table(lab, auth):
    member = await lab.join()
    await member.send("first", MESSAGE)
    await member.open("second")
    code, out = await meshagent(lab, auth, "list")
    same(code, 0, "exit code of list")
    rows = [line.replace("│", " ").split() for line in out.splitlines()]
    for row in (["first", "1"], ["second", "0"]):
        check(row in rows, f"no row {row} in\n{out}")


@scenario
async def send_with_a_token(lab):
    await sends(lab, with_token(lab))


@scenario
async def send_with_an_api_key(lab):
    await sends(lab, with_key(setting("ANTEROOM_API_KEY")))


@scenario
async def receive_with_a_token(lab):
    await receives(lab, with_token(lab))


@scenario
async def receive_with_an_api_key(lab):
    await receives(lab, with_key(setting("ANTEROOM_API_KEY")))


@scenario
async def size_with_a_token(lab):
    await says_size(lab, with_token(lab))


@scenario
async def size_with_an_api_key(lab):
    await says_size(lab, with_key(setting("ANTEROOM_API_KEY")))


@scenario
async def list_as_json_with_a_token(lab):
    await lists_as_json(lab, with_token(lab))


@scenario
async def list_as_json_with_an_api_key(lab):
    await lists_as_json(lab, with_key(setting("ANTEROOM_API_KEY")))


@scenario
async def list_as_a_table_with_a_token(lab):
    await lists_as_a_table(lab, with_token(lab))


@scenario
async def list_as_a_table_with_an_api_key(lab):
    await lists_as_a_table(lab, with_key(setting("ANTEROOM_API_KEY")))


@scenario
async def list_of_an_empty_room_says_so(lab):
    code, out = await meshagent(lab, with_token(lab), "list")
    same(code, 0, "exit code of list")
    check("no queues" in out, out)


@scenario
async def receive_from_an_empty_queue_exits_1(lab):
    code, out = await meshagent(lab, with_token(lab), "receive", "--queue", "q")
    same(code, 1, "exit code of receive")
    check("did not contain any messages" in out, out)


@scenario
async def size_of_a_missing_queue_exits_1(lab):
    code, out = await meshagent(lab, with_token(lab), "size", "--queue", "q")
    same(code, 1, "exit code of size")
    check("Queue not found" in out, out)


@scenario
async def mail_is_sent_as_base64(lab):
    member = await lab.join()
    code, _ = await meshagent(
        lab, with_token(lab),
        "send-mail", "--queue", "q", "--subject", "s", "--body", "b", "--from", "a@example.com",
    )
    same(code, 0, "exit code of send-mail")
    same(list(await member.receive("q", wait=False)), ["base64"])


@scenario
async def receive_without_the_grant_exits_1_and_makes_nothing(lab):
    member = await lab.join()
    auth = with_token(lab, api=client_0_56_0.ApiScope())
    code, out = await meshagent(lab, auth, "receive", "--queue", "q")
    same(code, 1, "exit code of receive")
    check(out.strip(), "no word of what is wrong")
    same(await member.sizes(), {})


@scenario
async def send_without_the_grant_says_so_and_makes_nothing(lab):
    """`send` prints the error and exits with 0, whatever the server says."""
    member = await lab.join()
    auth = with_token(lab, api=client_0_56_0.ApiScope())
    _, out = await meshagent(lab, auth, "send", "--queue", "q", "--json", "{}")
    check(len(out.strip().splitlines()) > 1, f"no word of what is wrong: {out}")
    same(await member.sizes(), {})


@scenario
async def a_wrong_token_ends_the_command(lab):
    auth = {**with_token(lab), "MESHAGENT_TOKEN": lab.token("cli", room=f"{lab.room}-b")}
    code, _ = await meshagent(lab, auth, "list")
    same(code, 1, "exit code of list")


@scenario
async def a_wrong_api_key_ends_the_command(lab):
    code, _ = await meshagent(lab, with_key(setting("ANTEROOM_API_KEY") + "x"), "list")
    same(code, 1, "exit code of list")


if __name__ == "__main__":
    sys.exit(main(client_0_56_0))
