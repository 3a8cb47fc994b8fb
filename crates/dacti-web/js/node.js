// The entry for Node. Its `fetch` cannot read files, so this entry reads the modules as files.

import { readFile } from "node:fs/promises";
import { defaults } from "./engine.js";

const beside = (name) => readFile(new URL(name, import.meta.url));
defaults.load = () => beside("./dacti.wasm");
defaults.loadTools = () => beside("./codec.wasm");
defaults.loadInspector = () => beside("./inspect.wasm");

export * from "./dacti.js";
