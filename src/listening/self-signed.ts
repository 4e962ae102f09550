import type { Identity } from "./server-identity.ts";

const selfSignedYears = 10;

/**
 * A new self-signed ECDSA P-256 certificate. Gateways connect to a picker without verifying it, so
 * its names mean little; elliptic curves make it in milliseconds where RSA takes seconds.
 */
export async function selfSignedIdentity(nowMs: number): Promise<Identity> {
  // It takes a tenth of a second to load, so only pickers without a certificate load it.
  const { generate } = await import("selfsigned");
  const notAfterDate = new Date(nowMs);
  notAfterDate.setFullYear(notAfterDate.getFullYear() + selfSignedYears);
  const { cert, private: key } = await generate([{ name: "commonName", value: "pointsman" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(nowMs),
    notAfterDate,
  });
  return { certificate: Buffer.from(cert), privateKey: Buffer.from(key) };
}
