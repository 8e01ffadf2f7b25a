import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The five stages as one Kafka Streams application: a processor and a state store a stage, between the topics of the
 * stages. Arguments: the file of the application's properties, and that of the procedure, as JSON.
 */
public final class Procedure {
  static final ObjectMapper JSON = new ObjectMapper();

  /** One stage: remembers which events a request has had, and adds those that follow. */
  static final class Stage implements Processor<String, byte[], String, byte[]> {
    private final String name;
    private final JsonNode eventsOf;
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> known;

    Stage(String name, JsonNode eventsOf) {
      this.name = name;
      this.eventsOf = eventsOf;
    }

    @Override
    public void init(ProcessorContext<String, byte[]> given) {
      context = given;
      known = given.getStateStore(name);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      try {
        ObjectNode body = (ObjectNode) JSON.readTree(record.value());
        JsonNode taken = eventsOf.get(body.get("type").asText());
        if (taken == null || !taken.get(0).asText().equals(name)) {
          return;
        }
        byte[] before = known.get(record.key());
        ObjectNode state = before == null ? JSON.createObjectNode() : (ObjectNode) JSON.readTree(before);
        for (JsonNode event : taken.get(1)) {
          if (state.has(event.asText())) {
            continue;
          }
          state.put(event.asText(), state.size() + 1);
          body.put("type", event.asText());
          context.forward(record.withValue(JSON.writeValueAsBytes(body)));
        }
        known.put(record.key(), JSON.writeValueAsBytes(state));
      } catch (java.io.IOException wrong) {
        throw new java.io.UncheckedIOException(wrong);
      }
    }
  }

  public static void main(String[] files) throws Exception {
    Properties properties = new Properties();
    try (FileReader reader = new FileReader(files[0])) {
      properties.load(reader);
    }
    JsonNode procedure = JSON.readTree(Files.readString(Path.of(files[1])));
    Topology topology = new Topology();
    for (Iterator<String> stages = procedure.get("inputs").fieldNames(); stages.hasNext(); ) {
      String stage = stages.next();
      List<String> inputs = new ArrayList<>();
      procedure.get("inputs").get(stage).forEach(topic -> inputs.add(topic.asText()));
      topology
          .addSource(
              stage + "-in", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(),
              inputs.toArray(String[]::new))
          .addProcessor(stage + "-decide", () -> new Stage(stage, procedure.get("events")), stage + "-in")
          .addStateStore(
              Stores.keyValueStoreBuilder(
                  Stores.persistentKeyValueStore(stage), Serdes.String(), Serdes.ByteArray()),
              stage + "-decide")
          .addSink(
              stage + "-out", procedure.get("prefix").asText() + stage, Serdes.String().serializer(),
              Serdes.ByteArray().serializer(), stage + "-decide");
    }
    KafkaStreams streams = new KafkaStreams(topology, properties);
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> { streams.close(); ended.countDown(); }));
    streams.setUncaughtExceptionHandler(
        wrong -> {
          wrong.printStackTrace();
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse
              .SHUTDOWN_CLIENT;
        });
    streams.setStateListener(
        (now, before) -> {
          if (now == KafkaStreams.State.RUNNING) {
            System.out.println("running");
          }
        });
    streams.start();
    ended.await();
  }
}
