/** Bytes that a field counts besides its text (RFC 7541, section 4.1). */
const fieldOverheadBytes = 32;

/** One header, decoded. Its text is Latin-1: one character for each byte. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
  /** Size in tables and lists of headers. */
  readonly bytes: number;
  /** False if RFC 9113 (section 8.2.1) forbids a character in it. */
  readonly isAllowed: boolean;
}

/** Lower-case tokens; pseudo-headers begin with a colon. */
const allowedName = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** NUL, LF and CR. */
// oxlint-disable-next-line no-control-regex
const forbiddenInValue = /[\0\n\r]/;

export function fieldOf(name: string, value: string): HeaderField {
  return {
    name,
    value,
    bytes: name.length + value.length + fieldOverheadBytes,
    isAllowed: allowedName.test(name) && !forbiddenInValue.test(value),
  };
}
