// Runs one function of the suite in a page of headless Chromium, through the DevTools protocol:
// `node chromium.js PAGE_URL FUNCTION ARGUMENTS_AS_JSON`. The page is in the folder of `suite.js`
// and `npm/`.

import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { remove } from "./remove.js";

const [page, name, given] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "dacti-chromium-"));
const browser = spawn(process.env.CHROMIUM ?? "chromium", [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank",
], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });

const waiting = new Map();
const events = [];
let last = 0;
let buffered = "";
browser.stdio[4].on("data", (bytes) => {
  buffered += bytes;
  const messages = buffered.split("\0");
  buffered = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    waiting.get(message.id)?.(message);
    if (message.method) events.push(message);
  }
});

function call(method, params = {}, sessionId) {
  const id = ++last;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => {
    waiting.set(id, ({ result, error }) => {
      waiting.delete(id);
      if (error) reject(new Error(`${method}: ${error.message}`));
      else resolve(result);
    });
  });
}

try {
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  await call("Page.enable", {}, sessionId);
  await call("Log.enable", {}, sessionId);
  await call("Page.navigate", { url: page }, sessionId);
  while (!events.some((event) => event.method === "Page.loadEventFired")) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const expression = `Promise.all([import("./npm/dacti.js"), import("./suite.js")]).then(
    ([dacti, suite]) => suite[${JSON.stringify(name)}](dacti, ...${given}))`;
  const wait = { expression, awaitPromise: true, returnByValue: true };
  const { result, exceptionDetails } = await call("Runtime.evaluate", wait, sessionId);
  if (exceptionDetails) {
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  }
  process.stdout.write(JSON.stringify(result.value));
} finally {
  browser.kill();
  await new Promise((resolve) => browser.on("exit", resolve));
  await remove(profile);
}
