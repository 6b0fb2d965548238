import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;

/**
 * Reads convstream's values where there is no schema registry. In a consumer:
 *
 * <pre>
 * BinaryMessageDecoder<GenericRecord> decoder = decoder(new File("schemas"), "conversation");
 * GenericRecord conversation = decoder.decode(record.value());
 * </pre>
 *
 * By itself it takes a line of base64 and prints a line of JSON:
 *
 * <pre>
 * mvn -q dependency:copy-dependencies -DoutputDirectory=libs
 * java -cp 'libs/*' Read.java ../../schemas < values.base64
 * </pre>
 */
public class Read {
  /** Decodes values of one schema, whichever of its versions they were written with. */
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
    BinaryMessageDecoder<GenericRecord> decoder = decoder(new File(args[0]), args.length > 1 ? args[1] : "conversation");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line; (line = in.readLine()) != null; ) {
      out.println(decoder.decode(Base64.getDecoder().decode(line))); // a GenericRecord prints as JSON
    }
    out.flush();
  }
}
