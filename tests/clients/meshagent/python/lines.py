"""The lines between a driver and a peer: one JSON object each, bytes as {"$bytes": base64}."""

import base64
import json


def to_line(value):
    def plain(data):
        return {"$bytes": base64.b64encode(data).decode()}

    return json.dumps(value, default=plain) + "\n"


def from_line(line):
    def bytes_again(item):
        return base64.b64decode(item["$bytes"]) if item.keys() == {"$bytes"} else item

    return json.loads(line, object_hook=bytes_again)
