// Runs one function of the suite in Node: `node node.js NPM_FOLDER FUNCTION ARGUMENTS_AS_JSON`.

import { pathToFileURL } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";
import * as suite from "./suite.js";

const [folder, name, given] = process.argv.slice(2);
v8.setFlagsFromString("--expose-gc");
globalThis.collect = vm.runInNewContext("gc");
const dacti = await import(new URL("node.js", `${pathToFileURL(folder)}/`));
process.stdout.write(JSON.stringify(await suite[name](dacti, ...JSON.parse(given))));
