"""Member and tokens on top of the Python client 0.0.21, the first generation.

Its oddities: `queues.open` is not there (its definition is overwritten), `queues.list` demands two
unused arguments, `Queue.size` raises. For these the SDK's own `send_request` is used.
"""

import contextlib
import logging

from aiohttp import WSServerHandshakeError
from meshagent.api import ParticipantToken, RemoteParticipant, RoomClient, RoomException
from meshagent.api import WebSocketClientProtocol

from harness import Refused
from member import Presence

VERSION = "0.0.21"

# Answers to cancelled requests are logged as errors of the dispatcher.
logging.getLogger("protocol").setLevel(logging.CRITICAL)


class Token(ParticipantToken):
    """`to_jwt` of 0.0.21 writes `to_json` only and forgets extra claims; here they are in it."""

    def to_json(self):
        return {**(self.extra_payload or {}), **super().to_json()}


def token(name, room, *, role=None, **claims):
    made = Token(name=name, extra_payload=claims)
    if room is not None:
        made.add_room_grant(room)
    if role is not None:
        made.add_role_grant(role)
    return made


@contextlib.contextmanager
def errors():
    try:
        yield
    except RoomException as error:
        raise Refused(str(error)) from error


class Member(Presence):
    """A participant. `client` is the SDK's own object, for what only this generation has."""

    def __init__(self, client):
        super().__init__(client)
        self.streams = []

    @classmethod
    async def join(cls, url, room, token):
        address = f"{url.replace('http', 'ws', 1)}/rooms/{room}"
        protocol = WebSocketClientProtocol(url=address, token=token)
        client = RoomClient(protocol=protocol)
        try:
            await client.__aenter__()
        except WSServerHandshakeError as error:
            # A refused connect leaves the SDK's own session open.
            await protocol._session.close()
            raise Refused(f"refused with status {error.status}") from error
        return cls(client)

    async def leave(self):
        await self.client.__aexit__(None, None, None)

    async def send(self, queue, message, create=True):
        with errors():
            await self.client.queues.send(name=queue, message=message, create=create)

    async def receive(self, queue, create=True, wait=True):
        with errors():
            return await self.client.queues.receive(name=queue, create=create, wait=wait)

    async def sizes(self):
        answer = await self.request("queues.list", {})
        return {item["name"]: item["size"] for item in answer["queues"]}

    async def open(self, queue):
        await self.request("queues.open", {"name": queue})

    async def drain(self, queue):
        with errors():
            await self.client.queues.drain(name=queue)

    async def close(self, queue):
        with errors():
            await self.client.queues.close(name=queue)

    async def enable(self):
        enabled = []
        self.client.messaging.on("messaging_enabled", lambda: enabled.append(True))
        with errors():
            await self.client.messaging.enable(on_stream_accept=self.streams.append)
        await self.until(lambda: enabled)

    async def disable(self):
        with errors():
            await self.client.messaging.disable()

    async def set_attribute(self, name, value):
        await self.client.local_participant.set_attribute(name, value)

    async def tell(self, to, type, message, attachment=None):
        with errors():
            await self.client.messaging.send_message(
                to=RemoteParticipant(id=to), type=type, message=message, attachment=attachment
            )

    async def broadcast(self, type, message, attachment=None):
        with errors():
            await self.client.messaging.broadcast_message(
                type=type, message=message, attachment=attachment
            )

    async def request(self, type, header):
        with errors():
            return await self.client.send_request(type, header)
