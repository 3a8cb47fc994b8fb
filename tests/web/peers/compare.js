// Reads 100 files of one folder, ten at a time, like a scrolled list. The files are in a dacti
// package, a PMTiles archive and a ZIP file, on one server. Prints requests and bytes as rows of a
// table.
//
// `node compare.js NPM_FOLDER FOLDER_OF_FILES PROGRAM`

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { PMTiles, tileIdToZxy } from "pmtiles";
import { BlobWriter, HttpReader, Uint8ArrayReader, Uint8ArrayWriter, ZipReader, ZipWriter }
  from "@zip.js/zip.js";

const FILES = 2000, FIRST = 700, ROWS = 10, STEPS = 10;
const [npm, folder, program] = process.argv.slice(2);
const { open } = await import(new URL("node.js", `${pathToFileURL(npm)}/`));

const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
  .sort().slice(0, FILES);
const contents = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
const site = mkdtempSync(join(tmpdir(), "dacti-peers-"));

function varint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) | 128);
  return [...bytes, number];
}

/** Writes a PMTiles archive of version 3 whose tiles are the files, each compressed by gzip. */
function pmtiles() {
  const tiles = names.map((name) => gzipSync(contents.get(name), { level: 9 }));
  const directory = gzipSync(Uint8Array.from([
    ...varint(tiles.length),
    ...tiles.flatMap((_, n) => varint(n === 0 ? 0 : 1)),
    ...tiles.flatMap(() => varint(1)),
    ...tiles.flatMap((tile) => varint(tile.length)),
    ...tiles.flatMap((_, n) => varint(n === 0 ? 1 : 0)),
  ]));
  const metadata = gzipSync("{}");
  const header = new DataView(new ArrayBuffer(127));
  [..."PMTiles"].forEach((c, at) => header.setUint8(at, c.charCodeAt(0)));
  header.setUint8(7, 3);
  const data = Buffer.concat(tiles);
  const metadataAt = 127 + directory.length;
  const dataAt = metadataAt + metadata.length;
  [127, directory.length, metadataAt, metadata.length, dataAt, 0, dataAt, data.length,
    tiles.length, tiles.length, tiles.length]
    .forEach((number, n) => header.setBigUint64(8 + 8 * n, BigInt(number), true));
  [1, 2, 2, 0, 0, 8].forEach((byte, n) => header.setUint8(96 + n, byte));
  return Buffer.concat([Buffer.from(header.buffer), directory, metadata, data]);
}

async function zip() {
  const writer = new ZipWriter(new BlobWriter());
  for (const name of names) await writer.add(name, new Uint8ArrayReader(contents.get(name)));
  return Buffer.from(await (await writer.close()).arrayBuffer());
}

/** Counts the requests and bytes of `fetch`. */
const cost = { requests: 0, bytes: 0, inFlight: 0, roundTrips: 0 };
const plain = globalThis.fetch;
globalThis.fetch = async (...given) => {
  cost.requests += 1;
  if (cost.inFlight === 0) cost.roundTrips += 1;
  cost.inFlight += 1;
  const answer = await plain(...given);
  cost.bytes += Number(answer.headers.get("content-length") ?? 0);
  cost.inFlight -= 1;
  return answer;
};

async function measured(name, read) {
  Object.assign(cost, { requests: 0, bytes: 0, inFlight: 0, roundTrips: 0 });
  for (let step = 0; step < STEPS; step += 1) {
    const from = FIRST + step * ROWS;
    const found = await read(from, from + ROWS);
    found.forEach((bytes, n) => {
      const expected = contents.get(names[from + n]);
      if (!expected.equals(Buffer.from(bytes))) throw new Error(`${name}: ${names[from + n]} differs`);
    });
  }
  console.log(`| ${name} | ${cost.requests} | ${cost.roundTrips} | ${cost.bytes} |`);
}

try {
  const files = join(site, "files");
  for (const name of names) {
    const { mkdirSync } = await import("node:fs");
    mkdirSync(join(files, name, ".."), { recursive: true });
    writeFileSync(join(files, name), contents.get(name));
  }
  const run = (...given) => {
    const { status, stderr } = spawnSync(program, given, { cwd: site, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
  };
  run("pack", "files", "-o", "whole.dacti-pack");
  run("publish", "whole.dacti-pack", "p.dacti-pack");
  writeFileSync(join(site, "p.pmtiles"), pmtiles());
  writeFileSync(join(site, "p.zip"), await zip());
  const server = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--quiet", site]);
  try {
    const line = await new Promise((resolve) => server.stdout.once("data", resolve));
    const base = new URL(String(line).trim());
    const url = (name) => new URL(name, base.origin).href;

    const packs = {};
    for (const [form, name] of [["in parts", "p"], ["one file", "whole"]]) {
      await measured(`dacti, ${form}`, async (from, to) => {
        packs[name] ??= await open(url(`${name}.dacti-pack`), { cache: false });
        return packs[name].getMany(names.slice(from, to));
      });
    }
    let archive;
    await measured("pmtiles.js", (from, to) => {
      archive ??= new PMTiles(url("p.pmtiles"));
      const ids = Array.from({ length: to - from }, (_, n) => from + n);
      return Promise.all(ids.map(async (id) => (await archive.getZxy(...tileIdToZxy(id))).data));
    });
    let entries;
    await measured("zip.js", async (from, to) => {
      entries ??= new Map((await new ZipReader(new HttpReader(url("p.zip"), {
        useRangeHeader: true, preventHeadRequest: false,
      })).getEntries()).map((entry) => [entry.filename, entry]));
      return Promise.all(names.slice(from, to)
        .map((name) => entries.get(name).getData(new Uint8ArrayWriter())));
    });
  } finally {
    server.kill();
  }
} finally {
  rmSync(site, { recursive: true, force: true });
}
