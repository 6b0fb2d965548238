import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Two things that one does with Kafka Streams: how many conversations each queue has, always as of the newest revisions;
 * and the voice conversations joined with a topic of one's own that has the same keys.
 *
 * <pre>
 * mvn -q dependency:copy-dependencies -DoutputDirectory=libs
 * export KAFKA_BROKERS=localhost:9092 SCHEMA_REGISTRY_URL=http://localhost:8081
 * java -cp 'libs/*' QueueCounts.java
 * </pre>
 *
 * It creates the topics example.tickets (with as many partitions as conversations.voice), example.queue-counts and
 * example.voice-tickets where they are missing, runs until it is interrupted, and exits 1 when it cannot go on.
 */
public class QueueCounts {
  private static final Serde<String> TEXT = Serdes.String();

  public static void main(String[] args) throws Exception {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
    String prefix = System.getenv().getOrDefault("TOPIC_PREFIX", "conversations.");
    String ours = System.getenv().getOrDefault("EXAMPLE_PREFIX", "example.");
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, ours + "queue-counts");
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA_BROKERS"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv().getOrDefault("STATE_DIR", "/tmp/kafka-streams"));
    settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    // Aborted records are not for us. Kafka Streams says this by itself only with processing.guarantee=exactly_once_v2.
    settings.put(StreamsConfig.consumerPrefix("isolation.level"), "read_committed");
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    createTopics(settings, prefix, ours);

    StreamsBuilder builder = new StreamsBuilder();
    Serde<GenericRecord> avro = Serdes.serdeFrom((topic, value) -> {
      throw new UnsupportedOperationException("for reading only");
    }, new RegistryAvro(System.getenv("SCHEMA_REGISTRY_URL")));
    KStream<String, GenericRecord> voice = builder.stream(prefix + "voice", Consumed.with(TEXT, avro));
    KStream<String, GenericRecord> others = builder.stream(
        List.of(prefix + "rtm", prefix + "agentassist", prefix + "other"), Consumed.with(TEXT, avro));

    // A conversation may move to another topic with its channel; between topics only the revision tells what is newer.
    KTable<String, String> queueOf = voice.merge(others)
        .mapValues(c -> c.get("revision") + " " + firstQueue(c))
        .groupByKey(Grouped.with(TEXT, TEXT))
        .reduce((a, b) -> revision(a) > revision(b) ? a : b);
    queueOf.filter((id, queue) -> !queue.endsWith(" "))
        .groupBy((id, queue) -> KeyValue.pair(queue.substring(queue.indexOf(' ') + 1), id), Grouped.with(TEXT, TEXT))
        .count()
        .toStream()
        .to(ours + "queue-counts", Produced.with(TEXT, Serdes.Long()));

    // Same keys, same number of partitions, same partitioner: the Java producer's murmur2. No repartitioning is needed.
    KTable<String, String> tickets = builder.table(ours + "tickets", Consumed.with(TEXT, TEXT));
    voice.mapValues(c -> c.get("revision") + " " + c.get("finalStatus"))
        .groupByKey(Grouped.with(TEXT, TEXT))
        .reduce((a, b) -> revision(a) > revision(b) ? a : b)
        .join(tickets, (conversation, ticket) -> conversation + " " + ticket)
        .toStream()
        .to(ours + "voice-tickets", Produced.with(TEXT, TEXT));

    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    CountDownLatch failed = new CountDownLatch(1);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.ERROR) { // a record that cannot be read, a topic that was deleted: the log tells
        failed.countDown();
      }
    });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    failed.await();
    System.exit(1);
  }

  /** Kafka Streams creates what it needs inside, but not what it reads and writes. */
  private static void createTopics(Properties settings, String prefix, String ours) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", settings.get("bootstrap.servers")))) {
      int partitions = admin.describeTopics(List.of(prefix + "voice")).allTopicNames().get()
          .get(prefix + "voice").partitions().size(); // a join needs the same number on both sides
      Set<String> there = admin.listTopics().names().get();
      admin.createTopics(
          Stream.of(topic(ours + "tickets", partitions), topic(ours + "queue-counts", 1), topic(ours + "voice-tickets", 1))
              .filter(topic -> !there.contains(topic.name())).toList()).all().get();
    }
  }

  private static NewTopic topic(String name, int partitions) {
    return new NewTopic(name, Optional.of(partitions), Optional.empty()); // replicas as the brokers have it
  }

  private static int revision(String value) {
    return Integer.parseInt(value.substring(0, value.indexOf(' ')));
  }

  private static String firstQueue(GenericRecord conversation) {
    if (conversation.get("destinations") instanceof List<?> destinations) { // null where there are none
      for (Object destination : destinations) {
        Object queue = ((GenericRecord) destination).get("queueId");
        if (queue != null) {
          return queue.toString();
        }
      }
    }
    return "";
  }

  /** What Confluent's KafkaAvroDeserializer does: a zero, the schema's id in four bytes, Avro. */
  private static class RegistryAvro implements Deserializer<GenericRecord> {
    private final String registry;
    private final HttpClient http = HttpClient.newHttpClient();
    private final Map<Integer, GenericDatumReader<GenericRecord>> readers = new ConcurrentHashMap<>();

    RegistryAvro(String registry) {
      this.registry = registry;
    }

    @Override
    public GenericRecord deserialize(String topic, byte[] value) {
      if (value == null) {
        return null;
      }
      ByteBuffer buffer = ByteBuffer.wrap(value);
      if (buffer.get() != 0) {
        throw new SerializationException(topic + ": not written with a schema registry");
      }
      GenericDatumReader<GenericRecord> reader = readers.computeIfAbsent(buffer.getInt(), this::fetch);
      try {
        return reader.read(null, DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null));
      } catch (IOException e) {
        throw new SerializationException(e);
      }
    }

    private GenericDatumReader<GenericRecord> fetch(int id) {
      try {
        HttpResponse<String> answer = http.send(
            HttpRequest.newBuilder(URI.create(registry + "/schemas/ids/" + id)).build(),
            HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
          throw new SerializationException("schema " + id + ": the registry answers " + answer.statusCode());
        }
        return new GenericDatumReader<>(new Schema.Parser().parse(new ObjectMapper().readTree(answer.body()).get("schema").asText()));
      } catch (IOException | InterruptedException e) {
        throw new SerializationException("schema " + id, e);
      }
    }
  }
}
