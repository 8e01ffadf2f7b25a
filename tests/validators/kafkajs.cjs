// KafkaJS as a distributor has it: reads the first record of one topic, writes one on the other.
const fs = require("fs");
const { Kafka, logLevel } = require("kafkajs");

const { broker, username, password, group, read, write, key, value } = JSON.parse(fs.readFileSync(0, "utf8"));

(async () => {
  const sasl = { mechanism: "scram-sha-512", username, password };
  const kafka = new Kafka({ brokers: [broker], sasl, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  const [written] = await producer.send({ topic: write, messages: [{ key, value }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topic: read, fromBeginning: true });
  const first = await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    consumer.run({ eachMessage: async ({ message }) => resolve(message) });
  });
  await consumer.disconnect();
  console.log(JSON.stringify({ written, key: first.key.toString(), value: first.value.toString() }));
})();
