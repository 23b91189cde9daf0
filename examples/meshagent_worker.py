"""A worker with the published MeshAgent client: waits for jobs, answers on `results`.

    pip install meshagent-api==0.56.0
    export MESHAGENT_API_URL=http://127.0.0.1:8080 MESHAGENT_ROOM=demo MESHAGENT_TOKEN=...
    python examples/meshagent_worker.py [HOW_MANY]

Without a number it works until it is stopped.
"""

import asyncio
import itertools
import sys

from meshagent.api import RoomClient


async def work(jobs):
    async with RoomClient() as room:
        for _ in jobs:
            # Waits until there is one. If this program dies here, the job goes to another worker.
            job = await room.queues.receive(name="jobs", wait=True)
            number = job["number"]
            print("job", number, flush=True)
            await room.queues.send(name="results", message={"number": number, "square": number**2})


asyncio.run(work(range(int(sys.argv[1])) if len(sys.argv) > 1 else itertools.count()))
