// Models of messages that AsyncAPI's generator makes of the document: a file each, in TypeScript and in Java.
const fs = require("fs");
const { Parser } = require("@asyncapi/parser");
const { JavaFileGenerator, TypeScriptFileGenerator } = require("@asyncapi/modelina");

const { asyncapi, typescript, java } = JSON.parse(fs.readFileSync(0, "utf8"));

(async () => {
  const { document } = await new Parser().parse(fs.readFileSync(asyncapi, "utf8"), { source: asyncapi });
  const interfaces = new TypeScriptFileGenerator({ modelType: "interface", enumType: "union" });
  await interfaces.generateToFiles(document, typescript, { exportType: "named" });
  await new JavaFileGenerator().generateToFiles(document, java, { packageName: "models" });
  console.log("null");
})();
