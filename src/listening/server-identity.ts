import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { SecureVersion } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { CertificateLife } from "../std/certificate-life.ts";
import type { Clock } from "../std/clock.ts";
import { reasonOf } from "../std/reason-of.ts";

/** Certificates that a TLS server presents and requires, all PEM. */
export interface Identity {
  /** The chain, its own certificate first. */
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  /** CA of the client certificates; undefined if clients need none. */
  readonly clientCa?: Buffer;
}

/** Where an identity is read from. */
export type IdentityFiles = (
  | {
      /** Holds `tls.crt` and `tls.key`, as a mounted Secret does. */
      readonly folder: string;
    }
  | { readonly certificateFile: string; readonly privateKeyFile: string }
) & { readonly clientCaFile?: string };

interface TlsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Kubelets swap mounted secrets within a second or so of each other; one look a second keeps up. */
const lookIntervalMs = 1_000;

/** Minimum requirements for TLS. */
export interface TlsLimits {
  /** Undefined for what Node takes, TLS 1.2. */
  readonly minVersion: SecureVersion | undefined;
  /** In OpenSSL's words; undefined for what Node takes. */
  readonly ciphers: string | undefined;
}

/** Options of a TLS server that presents this identity. */
export interface IdentityOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly minVersion?: SecureVersion;
  readonly ciphers?: string;
}

/** Current identity of a TLS server; new connections get the newest, open ones keep theirs. */
export class ServerIdentity {
  readonly #limits: TlsLimits;
  readonly #followers: ((options: IdentityOptions) => void)[] = [];
  #identity: Identity;

  constructor(identity: Identity, limits: TlsLimits) {
    this.#identity = identity;
    this.#limits = limits;
  }

  /** A server's secure context is replaced whole, so the limits come with every identity. */
  get options(): IdentityOptions {
    const { minVersion, ciphers } = this.#limits;
    const { certificate, privateKey, clientCa } = this.#identity;
    return {
      cert: certificate,
      key: privateKey,
      ...(clientCa === undefined ? {} : { ca: clientCa }),
      ...(minVersion === undefined ? {} : { minVersion }),
      ...(ciphers === undefined ? {} : { ciphers }),
    };
  }

  /** True if clients must show a certificate. */
  get asksClients(): boolean {
    return this.#identity.clientCa !== undefined;
  }

  isOf(identity: Identity): boolean {
    return isDeepStrictEqual(this.#identity, identity);
  }

  replace(identity: Identity): void {
    this.#identity = identity;
    for (const follow of this.#followers) follow(this.options);
  }

  /** `follow` is called with each later identity, for as long as the process lives. */
  onReplaced(follow: (options: IdentityOptions) => void): void {
    this.#followers.push(follow);
  }
}

/** When a certificate in PEM is valid, the first of a chain. */
export function lifeOf(certificate: Buffer): CertificateLife {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return { startMs: validFromDate.getTime(), endMs: validToDate.getTime() };
}

/** Throws a readable error if a file is missing or broken, or the key is another certificate's. */
export async function identityIn(files: IdentityFiles): Promise<Identity> {
  const { clientCaFile } = files;
  const { certificateFile, privateKeyFile, place } = pathsOf(files);
  const [certificate, privateKey, clientCa] = await Promise.all([
    readFile(certificateFile),
    readFile(privateKeyFile),
    clientCaFile === undefined ? undefined : readFile(clientCaFile),
  ]);
  if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))) {
    const [key, of] = [privateKeyFile, certificateFile].map((file) => path.basename(file));
    throw new Error(`${place}: ${key} is not the key of ${of}`);
  }
  if (clientCa === undefined) return { certificate, privateKey };
  if (!isCertificate(clientCa)) throw new Error(`${clientCaFile}: no certificate in PEM`);
  return { certificate, privateKey, clientCa };
}

/**
 * Looks at the files until `signal` aborts and serves a new pair as soon as it is whole. A pair
 * that is half-written or broken leaves the old one in use and is reported once.
 */
export async function followIdentity(
  files: IdentityFiles,
  { presented, clock, log }: { presented: ServerIdentity; clock: Clock; log: TlsLog },
  signal: AbortSignal,
): Promise<void> {
  const { place: folder } = pathsOf(files);
  let reported: string | undefined;
  while (!signal.aborted) {
    // Each look comes after the wait for it.
    await clock.sleep(lookIntervalMs, signal);
    try {
      const identity = await identityIn(files);
      if (!presented.isOf(identity)) {
        presented.replace(identity);
        log.info({ folder }, "certificate reloaded");
      }
      reported = undefined;
    } catch (cause) {
      const message = reasonOf(cause);
      if (message !== reported) log.warn({ folder, reason: message }, "certificate reload failed");
      reported = message;
    }
  }
}

function pathsOf(files: IdentityFiles) {
  if (!("folder" in files)) return { ...files, place: path.dirname(files.certificateFile) };
  const { folder } = files;
  return {
    certificateFile: path.join(folder, "tls.crt"),
    privateKeyFile: path.join(folder, "tls.key"),
    place: folder,
  };
}

/** A TLS server takes any bytes for an authority, and then refuses every client. */
function isCertificate(pem: Buffer): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
