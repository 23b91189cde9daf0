"""Member and tokens on top of the Python client 0.56.0, through its public calls only."""

import contextlib
import logging

from meshagent.api import ParticipantToken, RoomClient, RoomException, WebSocketClientProtocol
from meshagent.api.participant import Participant
from meshagent.api.participant_token import ApiScope

from harness import Refused
from member import Presence

VERSION = "0.56.0"
FULL = object()

# The SDK warns of every refused one-way request and lost connection; the scenarios look themselves.
logging.getLogger().addHandler(logging.NullHandler())
logging.getLogger("participant-token").setLevel(logging.ERROR)


def token(name, room, *, api=FULL, role=None, version=None, **claims):
    """The client's token. `api=None` leaves the api grant out; other options become claims."""
    made = ParticipantToken(name=name, version=version, extra_payload=claims)
    if room is not None:
        made.add_room_grant(room)
    if role is not None:
        made.add_role_grant(role)
    if api is not None:
        made.add_api_grant(ApiScope.agent_default() if api is FULL else api)
    return made


@contextlib.contextmanager
def errors():
    try:
        yield
    except RoomException as error:
        raise Refused(str(error), error.code) from error


class Member(Presence):
    """A participant. `client` is the SDK's own object, for what only this generation has."""

    def __init__(self, client):
        super().__init__(client)
        client.messaging.on("online", self.changed)

    @classmethod
    async def join(cls, url, room, token, heartbeat=None):
        address = f"{url.replace('http', 'ws', 1)}/rooms/{room}"
        protocol = WebSocketClientProtocol(url=address, token=token, heartbeat=heartbeat)
        client = RoomClient(protocol_factory=protocol.create_factory())
        with errors():
            await client.__aenter__()
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
        with errors():
            return {queue.name: queue.size for queue in await self.client.queues.list()}

    async def open(self, queue):
        with errors():
            await self.client.queues.open(name=queue)

    async def drain(self, queue):
        with errors():
            await self.client.queues.drain(name=queue)

    async def close(self, queue):
        with errors():
            await self.client.queues.close(name=queue)

    async def enable(self):
        self.client.messaging.enable()
        await self.until(lambda: self.client.messaging.online)

    async def disable(self):
        # The client does not await this request; a later one on the same connection follows it.
        await self.client.messaging.disable()
        await self.sizes()

    async def set_attribute(self, name, value):
        await self.client.local_participant.set_attribute(name, value)

    async def tell(self, to, type, message, attachment=None):
        known = self.client.messaging.get_participant(to)
        # For ids it does not know the client would refuse by itself; a plain participant goes out.
        with errors():
            await self.client.messaging.send_message(
                to=known or Participant(id=to, attributes={}),
                type=type,
                message=message,
                attachment=attachment,
            )

    async def broadcast(self, type, message, attachment=None):
        with errors():
            await self.client.messaging.broadcast_message(
                type=type, message=message, attachment=attachment
            )

    async def invoke(self, toolkit, tool, arguments=None):
        with errors():
            return await self.client.invoke(toolkit=toolkit, tool=tool, input=arguments or {})

    async def request(self, type, header):
        with errors():
            return await self.client.send_request(type, header)
