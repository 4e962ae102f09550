import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { experimental } from "@grpc/grpc-js";
import { generate } from "selfsigned";
import type { Clock } from "../../../std/clock.ts";

type CertificateProvider = experimental.CertificateProvider;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

/** A certificate chain and its key, both PEM. */
export interface Identity {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
}

interface TlsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Kubelets swap mounted secrets within a second or so of each other; one look a second keeps up. */
const lookIntervalMs = 1_000;

const selfSignedYears = 10;

/** What a TLS server presents now; new connections get the newest, open ones keep theirs. */
export class ServerCertificate implements CertificateProvider {
  readonly #listeners = new Set<IdentityListener>();
  #identity: Identity;

  constructor(identity: Identity) {
    this.#identity = identity;
  }

  replace(identity: Identity): void {
    this.#identity = identity;
    for (const listener of this.#listeners) listener(identity);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#listeners.add(listener);
    // Not at once: gRPC asks before it has connected the answer to its server.
    queueMicrotask(() => listener(this.#identity));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#listeners.delete(listener);
  }

  // The interface asks for these; clients are not asked for certificates.
  addCaCertificateListener(): void {}
  removeCaCertificateListener(): void {}
}

/**
 * A new self-signed ECDSA P-256 certificate. Gateways connect to a picker without verifying it, so
 * its names mean little; elliptic curves make it in milliseconds where RSA takes seconds.
 */
export async function selfSignedIdentity(nowMs: number): Promise<Identity> {
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

/** Reads `tls.crt` and `tls.key`; throws a readable error where they are no pair. */
export async function identityIn(folder: string): Promise<Identity> {
  const [certificate, privateKey] = await Promise.all([
    readFile(path.join(folder, "tls.crt")),
    readFile(path.join(folder, "tls.key")),
  ]);
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))) {
    throw new Error(`${folder}: tls.key is not the key of tls.crt`);
  }
  return { certificate, privateKey };
}

/**
 * Looks at the folder until `signal` aborts and serves a new pair as soon as it is whole. A pair
 * that is half-written or broken leaves the old one in use and is reported once.
 */
export async function followIdentity(
  folder: string,
  { certificate, clock, log }: { certificate: ServerCertificate; clock: Clock; log: TlsLog },
  signal: AbortSignal,
): Promise<void> {
  let served = await fingerprintOf(identityIn(folder));
  let reported: string | undefined;
  while (!signal.aborted) {
    // Each look comes after the wait for it.
    // oxlint-disable-next-line no-await-in-loop
    await clock.sleep(lookIntervalMs, signal);
    try {
      // oxlint-disable-next-line no-await-in-loop
      const identity = await identityIn(folder);
      const fingerprint = fingerprintFrom(identity);
      if (fingerprint !== served) {
        certificate.replace(identity);
        served = fingerprint;
        log.info({ folder }, "serving a new certificate");
      }
      reported = undefined;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      if (message !== reported)
        log.warn({ folder, reason: message }, "keeping the old certificate");
      reported = message;
    }
  }
}

async function fingerprintOf(identity: Promise<Identity>): Promise<string | undefined> {
  return identity.then(fingerprintFrom, () => undefined);
}

function fingerprintFrom({ certificate, privateKey }: Identity): string {
  return `${certificate.toString("base64")}.${privateKey.toString("base64")}`;
}
