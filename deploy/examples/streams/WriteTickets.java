import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes lines "conversation ticket" from its standard input to the topic example.tickets, with the Java producer as it
 * comes: its partitioner is the one of convstream, so both topics can be joined without repartitioning.
 */
public class WriteTickets {
  public static void main(String[] args) throws Exception {
    String ours = System.getenv().getOrDefault("EXAMPLE_PREFIX", "example.");
    Properties settings = new Properties();
    settings.put("bootstrap.servers", System.getenv("KAFKA_BROKERS"));
    settings.put("key.serializer", StringSerializer.class);
    settings.put("value.serializer", StringSerializer.class);
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] parts = line.split(" ", 2);
        producer.send(new ProducerRecord<>(ours + "tickets", parts[0], parts[1])).get();
      }
    }
  }
}
