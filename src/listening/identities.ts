import type { CertificateLife } from "../std/certificate-life.ts";
import type { Accepted } from "./port-listener.ts";
import { selfSignedIdentity } from "./self-signed.ts";
import type { Clock } from "../std/clock.ts";
import {
  followIdentity,
  type IdentityFiles,
  identityIn,
  lifeOf,
  ServerIdentity,
  type TlsLimits,
} from "./server-identity.ts";
import type { Logger } from "../telemetry/logger.ts";

/** TLS settings of the ports that can use it. */
export interface TlsOptions {
  readonly limits: TlsLimits;
  readonly grpc:
    | { readonly kind: "cleartext" }
    | {
        readonly kind: "tls" | "both";
        /** Undefined for a certificate made at the start. */
        readonly files: IdentityFiles | undefined;
        readonly isFollowed: boolean;
      };
  /** Of the port of `/metrics`; undefined for HTTP. */
  readonly metrics: IdentityFiles | undefined;
  /** Of the port of the HTTP gateway; undefined for HTTP. */
  readonly http?: {
    /** Undefined for a certificate made at the start. */
    readonly files: IdentityFiles | undefined;
  };
}

/** When the certificate of a port is valid. */
interface PortCertificate extends CertificateLife {
  readonly port: "grpc" | "http" | "metrics";
}

interface Followed {
  readonly files: IdentityFiles;
  readonly presented: ServerIdentity;
}

/** Certificates that the ports of this process present, and the files they come from. */
export class Identities {
  readonly #followed: readonly Followed[];
  /** Protocols that the ext_proc port accepts. */
  readonly grpc: Accepted;
  readonly metrics: ServerIdentity | undefined;
  readonly http: ServerIdentity | undefined;

  private constructor(
    { grpc, metrics, http }: Pick<Identities, "grpc" | "metrics" | "http">,
    followed: readonly Followed[],
  ) {
    this.grpc = grpc;
    this.metrics = metrics;
    this.http = http;
    this.#followed = followed;
  }

  /** Rejects with a readable error if a file is missing or broken. */
  static async open(options: TlsOptions, clock: Clock): Promise<Identities> {
    const { grpc, metrics: metricsFiles, http: httpFiles, limits } = options;
    const followed: Followed[] = [];
    const read = async (files: IdentityFiles, isFollowed: boolean) => {
      const presented = new ServerIdentity(await identityIn(files), limits);
      if (isFollowed) followed.push({ files, presented });
      return presented;
    };
    const metrics = metricsFiles === undefined ? undefined : await read(metricsFiles, true);
    const own = async (files: IdentityFiles | undefined, isFollowed: boolean) =>
      files === undefined
        ? new ServerIdentity(await selfSignedIdentity(clock.wallMs()), limits)
        : await read(files, isFollowed);
    const http = httpFiles === undefined ? undefined : await own(httpFiles.files, true);
    if (grpc.kind === "cleartext") return new Identities({ grpc, metrics, http }, followed);
    const identity = await own(grpc.files, grpc.isFollowed);
    return new Identities({ grpc: { kind: grpc.kind, identity }, metrics, http }, followed);
  }

  /** The certificates that ports present now, by the name of the port. */
  lives(): readonly PortCertificate[] {
    const grpc = this.grpc.kind === "cleartext" ? undefined : this.grpc.identity;
    const ports = [
      ["grpc", grpc],
      ["http", this.http],
      ["metrics", this.metrics],
    ] as const;
    return ports.flatMap(([port, identity]) =>
      identity === undefined ? [] : [{ port, ...lifeOf(identity.options.cert) }],
    );
  }

  /** Serves changed files until `signal` aborts. */
  async follow(deps: { readonly clock: Clock; readonly log: Logger }, signal: AbortSignal) {
    await Promise.all(
      this.#followed.map(({ files, presented }) =>
        followIdentity(files, { ...deps, presented }, signal),
      ),
    );
  }
}
