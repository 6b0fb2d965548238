import java.io.File;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints the revisions in topics up to their present end, where convstream runs without a schema registry: the values are
 * then in Avro's single-object encoding, which Avro's own BinaryMessageDecoder reads. The directory has the present schema
 * and, in history, every version that was released.
 *
 * <pre>
 * KAFKA_BROKERS=localhost:9092 java -cp 'libs/*' ReadWithoutRegistry.java ../../../schemas conversations.voice
 * </pre>
 */
public class ReadWithoutRegistry {
  /** Decodes values of one schema, whichever of its versions they were written with; as deploy/readers/Read.java does. */
  static BinaryMessageDecoder<GenericRecord> decoder(File schemas, String name) throws Exception {
    GenericData model = new GenericData();
    model.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion()); // java.time.Instant
    Schema present = new Schema.Parser().parse(new File(schemas, name + ".avsc"));
    BinaryMessageDecoder<GenericRecord> decoder = new BinaryMessageDecoder<>(model, present);
    for (File version : new File(schemas, "history").listFiles((dir, file) -> file.startsWith(name + "."))) {
      decoder.addSchema(new Schema.Parser().parse(version));
    }
    return decoder;
  }

  public static void main(String[] args) throws Exception {
    BinaryMessageDecoder<GenericRecord> decoder = decoder(new File(args[0]), "conversation");
    Properties settings = new Properties();
    settings.put("bootstrap.servers", System.getenv("KAFKA_BROKERS"));
    settings.put("isolation.level", "read_committed"); // the Java consumer's default is read_uncommitted
    settings.put("key.deserializer", StringDeserializer.class);
    settings.put("value.deserializer", ByteArrayDeserializer.class);
    try (KafkaConsumer<String, byte[]> consumer = new KafkaConsumer<>(settings)) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (String topic : List.of(args).subList(1, args.length)) {
        for (PartitionInfo p : consumer.partitionsFor(topic)) {
          partitions.add(new TopicPartition(topic, p.partition()));
        }
      }
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          GenericRecord c = decoder.decode(record.value());
          System.out.printf("{\"topic\": \"%s\", \"partition\": %d, \"offset\": %d, \"key\": \"%s\", \"value\": %s}%n",
              record.topic(), record.partition(), record.offset(), record.key(), c);
        }
      }
    }
  }
}
