// Runs one function of the suite in Deno: `deno run deno.js NPM_FOLDER FUNCTION ARGUMENTS_AS_JSON`.
// Deno's `fetch` reads files, so it takes the same entry as browsers.

import { pathToFileURL } from "node:url";
import * as suite from "./suite.js";

const [folder, name, given] = Deno.args;
const dacti = await import(new URL("dacti.js", `${pathToFileURL(folder)}/`));
console.log(JSON.stringify(await suite[name](dacti, ...JSON.parse(given))));
