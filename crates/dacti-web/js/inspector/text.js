// Makes small elements and texts. Texts from files are always inserted as text, never as markup.

/** Makes an element with properties and children. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made && key !== "role") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const GROUPED = new Intl.NumberFormat("en");

/** Returns a whole number with separators. */
export const number = (value) => GROUPED.format(value);

/** Returns a length for people: exact below 1 KiB, and rounded from there on. */
export function bytes(length) {
  if (length < 1024) return `${number(length)} B`;
  let value = length;
  let unit = -1;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 2 : 1)} ${["KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}

/** Returns a count with its noun in singular or plural. */
export const counted = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

/** Returns a position in hexadecimal. */
export const hex = (position) => `0x${position.toString(16)}`;

/**
 * Replaces invisible characters by code points: controls, and characters that change the direction
 * of text.
 */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0).toString(16)}}`;
  });
}

/** Returns a list of names and values as the content of a `dl`. */
export function terms(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", {}, value instanceof Node ? value : visible(String(value))),
    ]);
}

/** Returns bytes in hexadecimal, 16 in each row, with their ASCII characters. */
export function dump(content, start = 0) {
  const lines = [];
  for (let at = 0; at < content.length; at += 16) {
    const row = content.subarray(at, at + 16);
    const digits = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const shown = Array.from(row, (byte) =>
      byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".",
    );
    lines.push(
      `${(start + at).toString(16).padStart(8, "0")}  ${digits.padEnd(47)}  ${shown.join("")}`,
    );
  }
  return lines.join("\n");
}
