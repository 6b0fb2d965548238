"""Prints every conversation's revisions as lines of JSON, up to the present end of the topics.

    pip install -r requirements.txt
    KAFKA_BROKERS=localhost:9092 SCHEMA_REGISTRY_URL=http://localhost:8081 python read.py conversations.voice conversations.rtm
"""

import json
import os
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

if len(sys.argv) < 2 or not {"KAFKA_BROKERS", "SCHEMA_REGISTRY_URL"} <= os.environ.keys():
    sys.exit(__doc__)

registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
decode = AvroDeserializer(registry)

consumer = Consumer({
    "bootstrap.servers": os.environ["KAFKA_BROKERS"],
    "group.id": "example-read",  # required, and not used: partitions are assigned by hand and nothing is committed
    "isolation.level": os.environ.get("ISOLATION_LEVEL", "read_committed"),  # librdkafka's default, written down: keep it
    "enable.auto.commit": False,
    "enable.partition.eof": True,  # tells when the end is reached; leave it out to follow
})
partitions = []
for topic in sys.argv[1:]:
    known = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    if not known:
        sys.exit(f"no topic {topic}")
    partitions += [TopicPartition(topic, partition, 0) for partition in known]
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
    if message.value().startswith(b"\xc3\x01"):
        sys.exit(f"{message.topic()} has values that were written without a schema registry: read_without_registry.py reads them")
    record = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key().decode(),
        "headers": {name: value.decode() for name, value in message.headers()},
        # Times are datetime, in UTC. A field that is null is None.
        "value": decode(message.value(), SerializationContext(message.topic(), MessageField.VALUE)),
    }
    print(json.dumps(record, ensure_ascii=False, default=lambda time: time.isoformat()))
consumer.close()
