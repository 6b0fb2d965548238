"""Waits until everything of an account's stretch of time is in the topics, then counts it, once and for certain.

    KAFKA_BROKERS=localhost:9092 SCHEMA_REGISTRY_URL=http://localhost:8081 \\
        python close_window.py 65269fe0dd9c622245c1xxxx 2026-11-26T14:00:00Z 2026-11-26T14:05:00Z

How one knows: each commit of convstream leaves a record in `progress`, in the same transaction as its conversations.
[completeFrom, completeThrough) is the time of which everything that the service showed is committed by then, and
endOffsets says where it lies. All of that is of one account, and others may share the topics. So:

1. read the account's `progress` until a record's range holds the window, and remember the highest end offset of each
   partition;
2. read the account's conversations up to these offsets;
3. keep the newest revision of each id that began within the window, leave out bot sessions that a contact supersedes,
   and count.

Times without a zone are UTC.

Later revisions of these conversations may follow, and rows that the service showed too late (they count as `late` in
`progress`). A consumer that wants them corrects what it emitted. A row that came broken when its window was read is a
dead letter (`deadLettered` in `progress`), and becomes a conversation when a later read of the window has it whole.
"""

import json
import os
import sys
from collections import Counter
from datetime import datetime, timezone

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer

PREFIX = os.environ.get("TOPIC_PREFIX", "conversations.")

if len(sys.argv) != 4 or not {"KAFKA_BROKERS", "SCHEMA_REGISTRY_URL"} <= os.environ.keys():
    sys.exit(__doc__)

decode = AvroDeserializer(SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]}))


def read(partitions):
    """Gives the messages of the partitions from their beginning, and at each end that is reached the error that says so."""
    consumer = Consumer({
        "bootstrap.servers": os.environ["KAFKA_BROKERS"],
        "group.id": "example-close-window",  # required, and not used
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    })
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in partitions])
    try:
        while True:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() and message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            yield message
    finally:
        consumer.close()


def wait_until_complete(account, start, end):
    """Gives (topic, partition) -> last offset, once everything of the account in [start, end) lies at or before these."""
    last = {}
    for message in read([(PREFIX + "progress", 0)]):
        if message.error():
            continue  # the present end: wait for more
        progress = decode(message.value(), None)
        if progress["accountId"] != account:
            continue
        for name, offset in progress["endOffsets"].items():
            topic, _, partition = name.rpartition("-")
            last[topic, int(partition)] = max(offset, last.get((topic, int(partition)), -1))
        if progress["completeFrom"] <= start and end <= progress["completeThrough"]:
            return last


def newest_of(account, start, end, last):
    """Gives the newest revision of each conversation of the account that began in [start, end), up to the offsets."""
    left = {place: offset for place, offset in last.items() if place[0] not in (PREFIX + "progress", PREFIX + "dead-letter")}
    newest = {}
    if not left:
        return []
    for message in read(list(left)):
        place = message.topic(), message.partition()
        if not message.error() and message.offset() <= last[place]:
            conversation = decode(message.value(), None)
            known = newest.get(conversation["id"])
            ours = conversation["accountId"] == account
            if ours and (known is None or known["revision"] < conversation["revision"]):
                newest[conversation["id"]] = conversation
        if place in left and message.offset() >= left[place]:  # at an end, this is the offset of what comes next
            del left[place]
        if not left:
            break
    grown = {c["supersedes"] for c in newest.values()}  # bot sessions that became a contact, which has an id of its own
    return [
        c for id, c in newest.items()
        if id not in grown and c["sessionStartTime"] and start <= c["sessionStartTime"] < end
    ]


def main(account, start, end):
    conversations = newest_of(account, start, end, wait_until_complete(account, start, end))
    entered, abandoned = Counter(), Counter()
    for c in conversations:
        for d in c["destinations"] or []:
            if d["destinationType"] == "QueueEntry":
                entered[d["queueId"]] += 1
                abandoned[d["queueId"]] += c["finalStatus"] == "USER ABANDONED" and d["agent"] is None
    for queue in sorted(entered):
        print(json.dumps({"queueId": queue, "entered": entered[queue], "abandoned": abandoned[queue]}))
    print(json.dumps({"start": start.isoformat(), "end": end.isoformat(), "conversations": len(conversations)}))


def instant(text):
    """Gives the time; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        sys.exit(f"{text} is no time such as 2026-11-26T14:05:00Z")
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


if __name__ == "__main__":
    main(sys.argv[1], instant(sys.argv[2]), instant(sys.argv[3]))
