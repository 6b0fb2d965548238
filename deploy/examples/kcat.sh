#!/bin/bash
# Every record of the topics: where it is, how long key and value are, then key, headers and value, each on a line.
#
#     KAFKA_BROKERS=localhost:9092 ./kcat.sh conversations.voice conversations.rtm
#
# The value is Avro behind five bytes that name its schema: cut it out by its length, or leave %s out.
set -euo pipefail
if [ $# -eq 0 ] || [ -z "${KAFKA_BROKERS:-}" ]; then
	echo "usage: KAFKA_BROKERS=localhost:9092 $0 TOPIC..." >&2
	exit 2
fi
for topic in "$@"; do
	kcat -b "$KAFKA_BROKERS" -C -q -e -o beginning -X isolation.level=read_committed -t "$topic" \
		-f '%t %p %o %K %S\n%k\n%h\n%s\n'
done
