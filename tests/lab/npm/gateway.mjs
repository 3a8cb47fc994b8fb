// Reads a DAG from a gateway with the libraries of the IPFS project, and verifies every block.
//
//   node gateway.mjs car  GATEWAY CID         one CAR: prints its blocks and bytes
//   node gateway.mjs raw  GATEWAY CID FOLDER  block by block: writes the files into FOLDER
//   node gateway.mjs tree GATEWAY CID FOLDER  one CAR, held in memory: writes the files into FOLDER

import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CarBlockIterator } from '@ipld/car'
import { exporter } from 'ipfs-unixfs-exporter'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { equals } from 'multiformats/bytes'

const [mode, gateway, root, folder] = process.argv.slice(2)

async function verify (cid, bytes) {
  if (cid.multihash.code !== sha256.code) throw new Error(`${cid}: another hash function`)
  const { digest } = await sha256.digest(bytes)
  if (!equals(digest, cid.multihash.digest)) throw new Error(`${cid}: the block does not fit`)
  return bytes
}

async function ask (path) {
  const answer = await fetch(`${gateway}${path}`)
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return answer
}

async function * blocksOfCar () {
  const answer = await ask(`/ipfs/${root}?format=car&dag-scope=all`)
  for await (const { cid, bytes } of await CarBlockIterator.fromIterable(answer.body)) {
    yield { cid, bytes: await verify(cid, bytes) }
  }
}

async function write (store, cid = CID.parse(root), path = folder) {
  const node = await exporter(cid, store)
  if (node.type !== 'directory') {
    await pipeline(Readable.from(node.content()), createWriteStream(path))
    return 1
  }
  mkdirSync(path, { recursive: true })
  let files = 0
  for await (const entry of node.entries()) {
    files += await write(store, entry.cid, join(path, entry.name))
  }
  return files
}

let told
if (mode === 'car') {
  let [blocks, bytes] = [0, 0]
  for await (const block of blocksOfCar()) {
    blocks += 1
    bytes += block.bytes.length
  }
  told = { blocks, bytes }
} else if (mode === 'raw') {
  const store = {
    async * get (cid) {
      const answer = await ask(`/ipfs/${cid}?format=raw`)
      yield verify(cid, new Uint8Array(await answer.arrayBuffer()))
    }
  }
  told = { files: await write(store) }
} else {
  const held = new Map()
  for await (const { cid, bytes } of blocksOfCar()) held.set(cid.toString(), bytes)
  const store = {
    async * get (cid) {
      const bytes = held.get(cid.toString())
      if (bytes === undefined) throw new Error(`${cid} is not in the CAR`)
      yield bytes
    }
  }
  told = { files: await write(store), blocks: held.size }
}
console.log(JSON.stringify(told))
