// Spectral over OpenAPI and AsyncAPI documents, and AsyncAPI's own parser.
const fs = require("fs");
const { Parser } = require("@asyncapi/parser");
const { Spectral, Document } = require("@stoplight/spectral-core");
const { Json } = require("@stoplight/spectral-parsers");
const rulesets = require("@stoplight/spectral-rulesets");

const { documents, asyncapi } = JSON.parse(fs.readFileSync(0, "utf8"));
const shown = (finding) => `${finding.code} ${finding.path.join("/")}: ${finding.message}`;

(async () => {
  const answer = {};
  for (const { file, ruleset, off } of documents) {
    const spectral = new Spectral();
    const rules = Object.fromEntries(off.map((rule) => [rule, "off"]));
    spectral.setRuleset({ extends: [[rulesets[ruleset], "all"]], rules });
    const found = await spectral.run(new Document(fs.readFileSync(file, "utf8"), Json, file));
    answer[ruleset] = found.map(shown);
  }
  const { document, diagnostics } = await new Parser().parse(fs.readFileSync(asyncapi, "utf8"), { source: asyncapi });
  answer.parser = diagnostics.map(shown);
  answer.messages = document ? document.allMessages().all().length : 0;
  console.log(JSON.stringify(answer));
})();
