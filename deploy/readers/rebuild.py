"""Rebuilds the rows of the service from convstream's records, by nothing but the docs in the schema.

A line of base64 in (a value of a channel topic), a line out: the row as JSON, member order and white space aside as the
service sent it. Bytes that were not valid UTF-8 come out as they were.

    python3 rebuild.py ../../schemas < values.base64
"""

import base64
import json
import re
import sys

from read import Reader

WAY = re.compile(r"Service: (?:.*otherwise )?([A-Za-z]+), as ([A-Za-z ]+)\.$")
ESCAPE = re.compile(r"\\(?:u(dc[89a-f][0-9a-f])|.)")


def quote(text):
    return json.dumps(text, ensure_ascii=False)


SCALARS = {
    "text": quote,
    "JSON": str,
    "integer": str,
    "boolean": json.dumps,
    "YES or NO": lambda yes: '"YES"' if yes else '"NO"',
    "local time": lambda t: quote(t.replace(tzinfo=None).isoformat(timespec="seconds")),
    "UTC time": lambda t: quote(t.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"),
}


def records(schema, known):
    """The record types of a schema by name, each a list of (field, service's name, way back, type of what is in it)."""
    if isinstance(schema, list):
        return records(schema[-1], known)
    if isinstance(schema, str):
        return schema if schema in known else None
    if schema["type"] != "record":
        return records(schema.get("items", "none"), known)
    fields = known[schema["name"]] = []
    for field in schema["fields"]:
        way = WAY.search(field["doc"])
        inner = records(field["type"], known)
        if way:
            fields.append((field["name"], way[1], way[2], inner))
    return schema["name"]


class Row:
    def __init__(self, known, record):
        self.known, self.record, self.under = known, record, {}
        self.unmapped = {pointer: restore(text) for pointer, text in record["unmapped"].items()}
        for pointer in self.unmapped:
            parent, _, name = pointer.rpartition("/")
            if pointer:
                self.under.setdefault(parent, []).append(name.replace("~1", "/").replace("~0", "~"))

    def text(self):
        text = self.unmapped[""] if "" in self.unmapped else self.object("", self.record, "Conversation")
        return text.encode(errors="surrogateescape")

    def object(self, at, record, name):
        kept = self.under.get(at, [])
        spellings = {lower(name) for name in kept}
        members = [
            f"{quote(service)}:{text}"
            for service, text in self.members(at, record, self.known[name])
            if lower(service) not in spellings
        ]
        members += [f"{quote(name)}:{self.unmapped[step(at, name)]}" for name in kept]
        return "{" + ",".join(members) + "}"

    def members(self, at, record, fields):
        for field, service, way, inner in fields:
            value = record[field]
            if field == "agent" and record["destinationType"] == "AgentSegment":
                if value is not None:  # its members are the destination's, which has a destinationType of its own
                    yield from self.members(at, {**value, "destinationType": None}, self.known[inner])
            elif value is not None:
                yield service, self.value(step(at, service), value, way, inner)

    def value(self, at, value, way, inner):
        if way == "object":
            return self.object(at, value, inner)
        if way.startswith("list of "):
            way = way.removeprefix("list of ").replace("objects", "object")
            elements = (self.unmapped.get(f"{at}/{i}") or self.value(f"{at}/{i}", v, way, inner) for i, v in enumerate(value))
            return "[" + ",".join(elements) + "]"
        return SCALARS[way](value)


def restore(text):
    """\\udcXX, in lower case, stands for the byte XX that was not valid UTF-8: Python's surrogateescape."""
    return ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else m[0], text)


def step(at, name):
    return at + "/" + name.replace("~", "~0").replace("/", "~1")


def lower(name):
    """Only A to Z count as the same in both cases."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in name)


if __name__ == "__main__":
    reader = Reader(sys.argv[1], "conversation")
    known = {}
    with open(f"{sys.argv[1]}/conversation.avsc") as file:
        records(json.load(file), known)
    for line in sys.stdin:
        row = Row(known, reader.read(base64.b64decode(line)))
        sys.stdout.buffer.write(row.text() + b"\n")
