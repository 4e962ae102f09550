import { type PeerCertificate, TLSSocket } from "node:tls";
import { buildConnector } from "undici";
import type { LivePage } from "../../admin/live-page.ts";
import { type CertificateLife, isOverdue } from "../../std/certificate-life.ts";
import type { Finding } from "./finding.ts";

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
  if (!isOverdue(life, nowMs) || life.endMs < nowMs) return [];
  return [
    {
      severity: "warning",
      code: "certificate-expires",
      subject,
      what: `its certificate ${expiryText(life.endMs, nowMs)}`,
      why: "no request reaches the engine afterwards.",
      change: "renew it at the engine, or look why it was not renewed.",
    },
  ];
}

/** The same for the certificates that a picker presents. Clients that do not verify it take one that is not valid any more. */
export function pickerCertificateFindings(
  url: string,
  { at, certificates }: Pick<LivePage, "at" | "certificates">,
): readonly Finding[] {
  return certificates
    .filter(({ overdue }) => overdue)
    .map(({ port, endsAt }) => ({
      severity: "warning",
      code: "certificate-expires",
      subject: url,
      what: `the certificate of its ${port} port ${expiryText(Date.parse(endsAt), Date.parse(at))}`,
      why: "clients that verify it do not connect afterwards.",
      change:
        "renew its files; the picker reads them again without a restart, except with --enable-cert-reload=false.",
    }));
}

function expiryText(endMs: number, nowMs: number): string {
  const at = new Date(endMs).toISOString();
  const leftMs = endMs - nowMs;
  return leftMs < 0 ? `expired at ${at}` : `expires in ${timeText(leftMs)}, at ${at}`;
}

function timeText(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours >= 1 ? `${hours} h` : `${Math.max(1, Math.floor(ms / 60_000))} min`;
}
