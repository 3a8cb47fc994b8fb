// Removes a folder that other processes may write to for a moment longer, such as the profile of a
// browser that was ended.

import { rmSync } from "node:fs";

/** Tries again for two seconds. A folder that is then still in use stays in the temporary folder. */
export async function remove(path) {
  for (let left = 20; left > 0; left -= 1) {
    try {
      rmSync(path, { recursive: true, force: true });
      return;
    } catch {
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}
