import { type PeerCertificate, TLSSocket } from "node:tls";
import { buildConnector } from "undici";
import type { Finding } from "./finding.ts";

const dayMs = 86_400_000;

/** Time that is left from which a certificate should have been renewed, and the share of its life for short ones. */
const leftMsMin = 14 * dayMs;
const leftShareMin = 0.15;

/** From when to when a certificate is valid, in Unix milliseconds. */
export interface CertificateLife {
  readonly startMs: number;
  readonly endMs: number;
}

/** The certificates that servers have presented, by `HOST:PORT`. */
export class SeenCertificates {
  readonly #lives = new Map<string, CertificateLife>();

  /** The same way to servers, whose certificates are noted. */
  watched(options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector(options);
    return (target, callback) => {
      connect(target, (...result) => {
        const [, socket] = result;
        if (socket instanceof TLSSocket) this.#note(target.host ?? target.hostname, socket);
        callback(...result);
      });
    };
  }

  lifeOf(host: string): CertificateLife | undefined {
    return this.#lives.get(host);
  }

  #note(host: string, socket: TLSSocket): void {
    // A connection that resumes a session has none.
    const seen: Partial<PeerCertificate> = socket.getPeerCertificate();
    const [startMs, endMs] = [seen.valid_from, seen.valid_to].map((text) => Date.parse(text ?? ""));
    if (startMs === undefined || endMs === undefined || Number.isNaN(endMs - startMs)) return;
    this.#lives.set(host, { startMs, endMs });
  }
}

/** A certificate that should have been renewed by now. One that is not valid any more is an error of the connection. */
export function certificateFindings(
  subject: string,
  life: CertificateLife | undefined,
  nowMs: number,
): readonly Finding[] {
  if (life === undefined) return [];
  const { startMs, endMs } = life;
  const leftMs = endMs - nowMs;
  if (leftMs >= Math.min(leftMsMin, leftShareMin * (endMs - startMs)) || leftMs < 0) return [];
  return [
    {
      severity: "warning",
      code: "certificate-expires",
      subject,
      what: `its certificate expires in ${timeText(leftMs)}, at ${new Date(endMs).toISOString()}`,
      why: "no request reaches the engine afterwards.",
      change: "renew it at the engine, or look why it was not renewed.",
    },
  ];
}

function timeText(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours >= 1 ? `${hours} h` : `${Math.max(1, Math.floor(ms / 60_000))} min`;
}
