package kraft

import (
	"context"
	"os"

	"github.com/convstream/convstream/cmd/internal/proof/maven"
)

// Version is the Apache Kafka that runs unless a Config names another.
const Version = "4.3.1"

func pom(version string) []byte {
	return []byte(`<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>convstream</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + version + `</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`)
}

// directory of the jars in the cache.
func directory(version string) string { return "kafka-" + version }

// Missing names the programs that are needed and not there; "" is none.
func Missing() string { return maven.Missing(directory(Version)) }

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// artifacts gives the directory of the jars. Where they are not in the cache yet Maven fetches them (43 MB).
func artifacts(ctx context.Context, version string) (string, error) {
	return maven.Libs(ctx, directory(version), pom(version))
}
