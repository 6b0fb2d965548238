"""Prints every conversation's revisions as lines of JSON, where convstream runs without a schema registry.

    pip install -r requirements.txt
    KAFKA_BROKERS=localhost:9092 python read_without_registry.py conversation.avsc conversations.voice

The values are then in Avro's single-object encoding: C3 01, the CRC-64-AVRO fingerprint of the schema, the body. The
schema is schemas/conversation.avsc of the release that wrote the value; all that were released are in schemas/history.
"""

import io
import json
import os
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from fastavro import schemaless_reader
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form

written_with = load_schema(sys.argv[1])
mark = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(written_with), "CRC-64-AVRO"))


def decode(value):
    if not value.startswith(mark):
        sys.exit(f"written with schema {value[2:10].hex()}, this is {mark[2:].hex()}: look for it in schemas/history")
    return schemaless_reader(io.BytesIO(value[len(mark):]), written_with, None)


consumer = Consumer({
    "bootstrap.servers": os.environ["KAFKA_BROKERS"],
    "group.id": "example-read",  # required, and not used
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
})
partitions = [
    TopicPartition(topic, partition, 0)
    for topic in sys.argv[2:]
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions
]
consumer.assign(partitions)

left = len(partitions)
while left > 0:
    message = consumer.poll(30)
    if message is None:
        sys.exit("nothing came for 30 seconds")
    if message.error():
        if message.error().code() != KafkaError._PARTITION_EOF:
            sys.exit(str(message.error()))
        left -= 1
        continue
    record = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key().decode(),
        "headers": {name: value.decode() for name, value in message.headers()},
        "value": decode(message.value()),
    }
    print(json.dumps(record, ensure_ascii=False, default=lambda time: time.isoformat()))
consumer.close()
