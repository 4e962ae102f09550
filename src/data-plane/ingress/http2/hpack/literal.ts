const prefixMax = 127;

/** A header as a literal that no table keeps (RFC 7541, section 6.2.2). */
export function literalField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), stringLiteral(name), stringLiteral(value)]);
}

function stringLiteral(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([lengthOf(bytes.length), bytes]);
}

/** A number with a prefix of seven bits (RFC 7541, section 5.1). */
function lengthOf(length: number): Buffer {
  if (length < prefixMax) return Buffer.from([length]);
  const bytes = [prefixMax];
  let rest = length - prefixMax;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
