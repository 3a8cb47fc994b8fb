// Reads blocks of a CAR v2 with the libraries of the IPFS project, and verifies every block.
//
//   node car.mjs ranges URL CID...   the index by cardex, then a range for each block
//   node car.mjs file FILE CID...    CarIndexedReader of @ipld/car, which scans the file and leaves
//                                    its index unused; prints the bytes that it reads
//
// The libraries cannot read a CAR v2 by ranges. So in the mode `ranges`, this file sends the
// requests itself.

import { readFileSync } from 'node:fs'
import { CarIndexedReader } from '@ipld/car/indexed-reader'
import { bytesReader, readBlockHead, readHeader } from '@ipld/car/decoder'
import { UniversalReader } from 'cardex/universal'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { equals, toHex } from 'multiformats/bytes'

const [mode, source, ...names] = process.argv.slice(2)
const wanted = names.map(name => CID.parse(name))

async function verify (cid, bytes) {
  const { digest } = await sha256.digest(bytes)
  if (!equals(digest, cid.multihash.digest)) throw new Error(`${cid}: the block does not fit`)
}

async function range (start, end) {
  const answer = await fetch(source, { headers: { Range: `bytes=${start}-${end ?? ''}` } })
  if (answer.status !== 206) throw new Error(`${start}: ${answer.status}`)
  return answer
}

async function bytesOf (start, len) {
  return new Uint8Array(await (await range(start, start + len - 1)).arrayBuffer())
}

// Returns the offsets of the wanted blocks, by their digests. Reads the index from its start, until
// it has found all of them.
async function offsets (indexAt) {
  const missing = new Set(wanted.map(cid => toHex(cid.multihash.digest)))
  const found = new Map()
  const index = UniversalReader.createReader({ reader: (await range(indexAt)).body.getReader() })
  while (missing.size > 0) {
    const { done, value } = await index.read()
    if (done) throw new Error('a block is not in the index')
    const digest = toHex(value.digest)
    if (missing.delete(digest)) found.set(digest, value.offset)
  }
  await index.cancel()
  return found
}

// The length of a section stands at the start of the section. So the first read has a fixed length,
// and a second read fetches the rest of a longer section.
async function blockAt (at) {
  let bytes = await bytesOf(at, 4096)
  const head = await readBlockHead(bytesReader(bytes))
  const start = head.length - head.blockLength
  if (bytes.length < head.length) {
    bytes = new Uint8Array([...bytes, ...await bytesOf(at + bytes.length, head.length - bytes.length)])
  }
  return { cid: head.cid, bytes: bytes.subarray(start, start + head.blockLength) }
}

function bytesRead () {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))[1])
}

let bytes = 0
if (mode === 'ranges') {
  const { dataOffset, indexOffset } = await readHeader(bytesReader(await bytesOf(0, 4096)))
  const places = await offsets(indexOffset)
  for (const cid of wanted) {
    const block = await blockAt(dataOffset + places.get(toHex(cid.multihash.digest)))
    await verify(cid, block.bytes)
  }
} else {
  const before = bytesRead()
  const reader = await CarIndexedReader.fromFile(source)
  for (const cid of wanted) await verify(cid, (await reader.get(cid)).bytes)
  bytes = bytesRead() - before
  await reader.close()
}
console.log(JSON.stringify({ blocks: wanted.length, bytes }))
