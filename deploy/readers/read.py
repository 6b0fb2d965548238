"""Reads convstream's values where there is no schema registry. In a consumer:

    reader = Reader("schemas", "conversation")
    record = reader.read(message.value())

By itself it takes a line of base64 and prints a line of JSON:

    pip install -r requirements.txt
    python3 read.py ../../schemas < values.base64
"""

import base64
import glob
import io
import json
import sys

import fastavro
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form


class Reader:
    """Decodes values of one schema, whichever of its versions they were written with."""

    def __init__(self, schemas, name):
        self.schema = load_schema(f"{schemas}/{name}.avsc")
        self.writers = {}
        for path in glob.glob(f"{schemas}/history/{name}.*.avsc"):
            writer = load_schema(path)
            crc64 = fingerprint(to_parsing_canonical_form(writer), "CRC-64-AVRO")
            self.writers[bytes.fromhex(crc64)] = writer

    def read(self, value):
        # Avro's single-object encoding: C3 01, the fingerprint of the writer's schema, the record.
        if value[:2] != b"\xc3\x01" or value[2:10] not in self.writers:
            raise ValueError("not a value of this schema, or of a version that this schemas/history lacks: copy it anew")
        return fastavro.schemaless_reader(io.BytesIO(value[10:]), self.writers[value[2:10]], self.schema)


if __name__ == "__main__":
    reader = Reader(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "conversation")
    for line in sys.stdin:
        record = reader.read(base64.b64decode(line))
        print(json.dumps(record, default=lambda time: time.isoformat()))
