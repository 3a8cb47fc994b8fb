// Creates a container in a store with Azure's protocol, by a signed request. Arguments: the
// endpoint, the account, its key, and the container's name.
import { createHmac } from "node:crypto";

const [endpoint, account, key, container] = process.argv.slice(2);
const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-08-06" };
const url = new URL(`${endpoint}/${container}?restype=container`);
const named = Object.keys(headers).sort().map((name) => `${name}:${headers[name]}\n`).join("");
const resource = `/${account}${url.pathname}\nrestype:container`;
const signed = `PUT\n\n\n\n\n\n\n\n\n\n\n\n${named}${resource}`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(signed).digest("base64");
headers.Authorization = `SharedKey ${account}:${signature}`;
const answer = await fetch(url, { method: "PUT", headers });
if (!answer.ok && answer.status !== 409) {
  console.error(answer.status, await answer.text());
  process.exit(1);
}
