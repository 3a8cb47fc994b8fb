/** An error of the reader. `kind` is for programs, and `message` for people. */
export class DactiError extends Error {
  constructor(kind, message, { path, what, offset, expected, found, cause } = {}) {
    super(message, cause && { cause });
    this.name = "DactiError";
    this.kind = kind;
    this.path = path ?? undefined;
    this.what = what;
    this.offset = offset;
    this.expected = expected;
    this.found = found;
  }

  /** Makes the error that the module describes. */
  static of({ kind, message, ...more }) {
    return new DactiError(kind, message, more);
  }
}
