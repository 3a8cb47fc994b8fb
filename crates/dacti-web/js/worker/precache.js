// Reads regions ahead of time, so that the package's cache keeps them for offline use.

/** The number of regions that are read at the same time. */
const AT_ONCE = 8;
/**
 * The state is saved after this many regions, because the browser may end the worker at any time.
 */
const STEP = 64;

/**
 * Reads, from one view, all regions whose paths begin with one of `prefixes`. Continues where an
 * earlier call was stopped. Calls `tell(done, total)` after each step.
 */
export async function precache(view, prefixes, store, tell) {
  const name = `precached/${view.name}`;
  let done = (await store.json(name)) ?? 0;
  if (done === "all") return;
  const listed = await view.package.list();
  const wanted = listed.filter(({ path }) => path && prefixes.some((at) => path.startsWith(at)));
  // Regions that lie close together share requests, so they are read in the order of the file.
  wanted.sort((a, b) => a.offset - b.offset);
  while (done < wanted.length) {
    const step = wanted.slice(done, done + STEP);
    const take = async () => {
      for (let next = step.shift(); next; next = step.shift()) await view.package.get(next.path);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, take));
    done = Math.min(done + STEP, wanted.length);
    await store.putJson(name, done);
    tell(done, wanted.length);
  }
  await store.putJson(name, "all");
  for (const other of await store.below("precached/")) {
    if (other !== view.name) await store.delete(`precached/${other}`);
  }
}
