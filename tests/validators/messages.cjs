// Ajv in strict mode over the schemas of messages and their headers, and the CloudEvents SDK, over recorded samples.
const fs = require("fs");
const path = require("path");
const Ajv = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;
const { Kafka } = require("cloudevents");

const { schemas, golden, asyncapi, vocabulary, decimal } = JSON.parse(fs.readFileSync(0, "utf8"));
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const strict = new Ajv({ strict: true, allErrors: true });
addFormats(strict);
strict.addVocabulary(vocabulary);
strict.addFormat("decimal", new RegExp(decimal));
const { messages, schemas: shared } = read(asyncapi).components;
const headersOf = (name) =>
  JSON.parse(JSON.stringify({ ...messages[name].headers, $defs: shared }).replaceAll("#/components/schemas/", "#/$defs/"));

const found = [];
const samples = {};
for (const file of fs.readdirSync(schemas).filter((each) => /\.v\d+\.json$/.test(each))) {
  const name = file.replace(/\.json$/, "");
  const body = strict.compile(read(path.join(schemas, file)));
  const head = strict.compile(headersOf(name));
  samples[name] = 0;
  for (const line of fs.readFileSync(path.join(golden, `${name}.jsonl`), "utf8").trim().split("\n")) {
    const record = JSON.parse(line);
    const headers = Object.fromEntries(record.headers);
    samples[name] += 1;
    if (!body(JSON.parse(record.value))) found.push([name, "body", body.errors]);
    if (!head(headers)) found.push([name, "headers", head.errors]);
    const { key, value } = record;
    const event = Kafka.toEvent({ key, value, headers: { ...headers }, body: value, timestamp: "0" });
    event.validate();
    if (event.type !== name || event.subject !== key) found.push([name, "event", `${event.type} ${event.subject}`]);
    const back = Kafka.binary(event);
    for (const [header, text] of record.headers)
      if (header.startsWith("ce_") && header !== "ce_time" && back.headers[header] !== text)
        found.push([name, header, back.headers[header]]);
  }
}
console.log(JSON.stringify({ samples, found }));
