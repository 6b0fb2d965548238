import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.ResultKind;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs SQL files on a Flink of its own, in this one process, and prints the rows of each SELECT as lines of JSON:
 *
 * <pre>
 * mvn -q dependency:copy-dependencies -DoutputDirectory=libs
 * export KAFKA_BROKERS=localhost:9092 SCHEMA_REGISTRY_URL=http://localhost:8081 TOPIC_PREFIX=conversations.
 * java -cp 'libs/*' RunSql.java conversations.sql progress.sql present.sql abandoned.sql
 * </pre>
 *
 * The variables replace the addresses and the prefix that stand in the files. Who has a Flink cluster gives the same files
 * to its SQL client, with the addresses put right in them.
 */
public class RunSql {
  private static final Pattern SETTING = Pattern.compile("(?i)SET\\s+'([^']+)'\\s*=\\s*'([^']*)'");

  public static void main(String[] files) throws Exception {
    System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error");
    Configuration settings = new Configuration();
    for (String address : List.of("rest.bind-address", "taskmanager.bind-host", "jobmanager.bind-host")) {
      settings.setString(address, "127.0.0.1"); // else it listens on every interface
    }
    settings.setString("rest.bind-port", "0");
    settings.setString("parallelism.default", "1");
    settings.setString("table.local-time-zone", "UTC");

    List<String[]> statements = new ArrayList<>();
    for (String file : files) {
      for (String statement : statements(ours(Files.readString(Path.of(file))))) {
        Matcher setting = SETTING.matcher(statement);
        if (setting.matches()) {
          settings.setString(setting.group(1), setting.group(2));
        } else {
          statements.add(new String[] {file, statement});
        }
      }
    }
    TableEnvironment flink = TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(settings).build());
    for (String[] s : statements) {
      TableResult result = flink.executeSql(s[1]);
      if (result.getResultKind() == ResultKind.SUCCESS_WITH_CONTENT) {
        print(Path.of(s[0]).getFileName().toString(), result);
      }
    }
    System.exit(0);
  }

  /** The text with our addresses, and with our prefix of the topics. */
  private static String ours(String text) {
    Map<String, String> env = System.getenv();
    return text.replace("localhost:9092", env.getOrDefault("KAFKA_BROKERS", "localhost:9092"))
        .replace("http://localhost:8081", env.getOrDefault("SCHEMA_REGISTRY_URL", "http://localhost:8081"))
        .replaceAll("\\bconversations\\.(?=[a-z])", Matcher.quoteReplacement(env.getOrDefault("TOPIC_PREFIX", "conversations.")));
  }

  /** The statements of a file: each ends with a semicolon at the end of a line. */
  private static List<String> statements(String text) {
    List<String> out = new ArrayList<>();
    for (String statement : text.replaceAll("(?m)--.*$", "").split(";\\s*(\\n|$)")) {
      if (!statement.isBlank()) {
        out.add(statement.strip());
      }
    }
    return out;
  }

  private static void print(String name, TableResult result) throws Exception {
    System.out.println("-- " + name);
    try (CloseableIterator<Row> rows = result.collect()) {
      while (rows.hasNext()) {
        System.out.println(json(rows.next()));
      }
    }
    System.out.flush();
  }

  private static String json(Object value) {
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    if (value instanceof Row row) {
      StringJoiner members = new StringJoiner(",", "{", "}");
      for (String name : row.getFieldNames(true)) {
        members.add(quoted(name) + ":" + json(row.getField(name)));
      }
      return members.toString();
    }
    if (value instanceof Map<?, ?> map) {
      StringJoiner members = new StringJoiner(",", "{", "}");
      map.forEach((name, member) -> members.add(quoted(name.toString()) + ":" + json(member)));
      return members.toString();
    }
    if (value instanceof Object[] array) {
      StringJoiner elements = new StringJoiner(",", "[", "]");
      for (Object element : array) {
        elements.add(json(element));
      }
      return elements.toString();
    }
    if (value instanceof byte[] bytes) { // a header
      return quoted(new String(bytes, StandardCharsets.UTF_8));
    }
    if (value instanceof LocalDateTime time) { // TIMESTAMP(3), which has no zone: ours are UTC
      return quoted(time.toInstant(ZoneOffset.UTC).toString());
    }
    return quoted(value.toString()); // text, and an Instant
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ' || Character.isSurrogate(c)) {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }
}
