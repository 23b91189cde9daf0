"""How fast MeshAgent's Python client sends to this server, and to a responder that does nothing:

    pip install meshagent-api==0.56.0
    ANTEROOM_SECRET=SECRET anteroom serve --memory --listen 127.0.0.1:8080 &
    examples/bench/load/target/release/echo meshagent 127.0.0.1:8081 &
    BENCH_SECRET=SECRET python examples/bench/meshagent_client.py 127.0.0.1:8080 127.0.0.1:8081

For one send after the other, and for 64 at a time: sends per second, both in turn five times, and the ratio of the medians. The
responder's figure is what the client can do."""

import asyncio
import os
import statistics
import sys
import time

from meshagent.api import ParticipantToken, RoomClient, WebSocketClientProtocol
from meshagent.api.participant_token import ApiScope

ROUNDS, SECONDS = 5, 1.0


def token():
    made = ParticipantToken(name="bench")
    made.add_room_grant("bench")
    made.add_role_grant("user")
    made.add_api_grant(ApiScope.agent_default())
    return made.to_jwt(token=os.environ["BENCH_SECRET"])


async def sends(address, together):
    protocol = WebSocketClientProtocol(url=f"ws://{address}/rooms/bench", token=token())
    message = {"text": "x" * 1000}
    async with RoomClient(protocol_factory=protocol.create_factory()) as room:
        begun, sent = time.perf_counter(), 0
        while time.perf_counter() - begun < SECONDS:
            await asyncio.gather(*(room.queues.send(name="bench", message=message) for _ in range(together)))
            sent += together
        return sent / (time.perf_counter() - begun)


async def main(server, responder):
    for together in (1, 64):
        rates = {server: [], responder: []}
        for _ in range(ROUNDS):
            for address in rates:
                rates[address].append(await sends(address, together))
        ours, theirs = (statistics.median(rates[address]) for address in (server, responder))
        print(f"{together:2} at a time: server {ours:,.0f}/s, responder {theirs:,.0f}/s, ratio {ours / theirs:.2f}")


asyncio.run(main(*sys.argv[1:]))
