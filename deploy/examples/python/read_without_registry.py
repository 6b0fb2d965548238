"""Prints every conversation's revisions as lines of JSON, where convstream runs without a schema registry.

    pip install -r requirements.txt
    KAFKA_BROKERS=localhost:9092 python read_without_registry.py ../../../schemas conversations.voice

The values are then in Avro's single-object encoding: C3 01, the CRC-64-AVRO fingerprint of the schema, the body. The
directory has the present schema and, in history, every version that was released. What decodes is deploy/readers/read.py.
"""

import json
import os
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

# Before this directory, which has a read.py of its own. Copy that file beside your consumer.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../readers"))
from read import Reader

if len(sys.argv) < 3 or "KAFKA_BROKERS" not in os.environ:
    sys.exit(__doc__)

reader = Reader(sys.argv[1], "conversation")

consumer = Consumer({
    "bootstrap.servers": os.environ["KAFKA_BROKERS"],
    "group.id": "example-read",  # required, and not used
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
})
partitions = []
for topic in sys.argv[2:]:
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
    if message.value().startswith(b"\0"):
        sys.exit(f"{message.topic()} has values that were written with a schema registry: read.py reads them")
    record = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "key": message.key().decode(),
        "headers": {name: value.decode() for name, value in message.headers()},
        "value": reader.read(message.value()),
    }
    print(json.dumps(record, ensure_ascii=False, default=lambda time: time.isoformat()))
consumer.close()
