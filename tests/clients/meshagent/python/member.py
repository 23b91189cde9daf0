"""The part of a member that is alike everywhere: who is there, and what was said."""

import asyncio


class Observer:
    """Subclasses have an `id`, say `others()`, call `changed` and fill the `inbox`."""

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.listeners = []
        self._changed = asyncio.Event()

    def changed(self, **_):
        self._changed.set()
        for listener in self.listeners:
            listener()

    async def until(self, condition):
        """Waits for an event after which the condition holds."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def find(self, name):
        for id, other in self.others().items():
            if other["attributes"].get("name") == name:
                return id
        return None

    async def sees(self, name):
        await self.until(lambda: self.find(name))
        return self.find(name)

    async def misses(self, name):
        await self.until(lambda: not self.find(name))

    async def sees_attribute(self, name, attribute, value):
        def seen():
            other = self.others().get(self.find(name))
            return other is not None and other["attributes"].get(attribute) == value

        await self.until(seen)

    async def hears(self, type):
        """The next message, which must be of this type."""
        heard = await self.inbox.get()
        assert heard["type"] == type, f"expected a {type} message, got {heard}"
        return heard


class Presence(Observer):
    """Listens to the messaging events of a Python client; `client` is set by the subclass."""

    def __init__(self, client):
        super().__init__()
        self.client = client
        self.messaging = client.messaging
        self.messaging.on("message", self._heard)
        self.messaging.on("messaging_enabled", self.changed)
        for event in ("participant_added", "participant_removed", "participant_attributes_updated"):
            self.messaging.on(event, self.changed)

    @property
    def id(self):
        return self.client.local_participant.id

    def others(self):
        """Who else is there, by id, as this client believes."""
        return {
            other.id: {"role": other.role, "attributes": dict(other._attributes)}
            for other in self.messaging.remote_participants
        }

    def _heard(self, message):
        self.inbox.put_nowait(
            {
                "from": message.from_participant_id,
                "type": message.type,
                "message": message.message,
                # No attachment is None in one generation and no bytes in the other.
                "attachment": bytes(message.attachment or b""),
            }
        )
