-- One row for each commit of convstream: what it read, what it published, and through when everything is there.
CREATE TABLE progress (
  -- the columns of the schema
  `accountId` STRING,
  `sequence` BIGINT,
  `selection` STRING,
  `windowStart` TIMESTAMP(3),
  `windowEnd` TIMESTAMP(3),
  `readAt` TIMESTAMP(3),
  `completeFrom` TIMESTAMP(3),
  `completeThrough` TIMESTAMP(3),
  `fetched` BIGINT,
  `published` BIGINT,
  `unchanged` BIGINT,
  `deadLettered` BIGINT,
  `late` BIGINT,
  `requests` BIGINT,
  `byTopic` MAP<STRING, BIGINT>,
  `endOffsets` MAP<STRING, BIGINT>,
  `event` ROW<
    `kind` STRING,
    `windowStart` TIMESTAMP(3),
    `windowEnd` TIMESTAMP(3),
    `by` STRING,
    `detail` STRING>,
  -- end of the columns
  record_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = 'conversations.progress',
  'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',
  'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = 'http://localhost:8081'
);
