import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { generate } from "selfsigned";

export interface ServerCertificate {
  readonly caFile: string;
  readonly ca: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of the test's own, and what it issued to a server at `addresses`, which may be a client as well. */
export async function issueServerCertificate(
  folder: string,
  addresses: readonly string[],
): Promise<ServerCertificate> {
  const authority = await generate([{ name: "commonName", value: "test-authority" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  const server = await generate([{ name: "commonName", value: "kube-apiserver" }], {
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 2, value: "kubernetes.default.svc" },
          ...addresses.map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  const files = {
    caFile: path.join(folder, "ca.crt"),
    certFile: path.join(folder, "apiserver.crt"),
    keyFile: path.join(folder, "apiserver.key"),
  };
  await writeFile(files.caFile, authority.cert);
  await writeFile(files.certFile, server.cert);
  await writeFile(files.keyFile, server.private);
  return { ...files, ca: authority.cert };
}

/** Writes a key to sign the tokens of ServiceAccounts with, and returns its path. */
export async function writeTokenKey(folder: string): Promise<string> {
  const file = path.join(folder, "service-accounts.key");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(file, privateKey.export({ type: "sec1", format: "pem" }));
  return file;
}
