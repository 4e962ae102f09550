import { connect } from "node:tls";
import type { Clock } from "../../../std/clock.ts";
import { tlsFailureText, type TlsSettingNames } from "../../../std/tls-failure.ts";
import type { FailedRequest } from "./scrape-once.ts";

/**
 * Errors of a connection to a port with another protocol: closed, reset, or bytes that are not
 * HTTP.
 */
const endedOddly = /^(?:UND_ERR_SOCKET|ECONNRESET|EPIPE|HPE_)/;

interface Asked {
  readonly origin: string;
  readonly clock: Clock;
  /** Where an operator sets the certificates. */
  readonly settingNames: TlsSettingNames;
}

/** The reason why a scrape failed, explained for people if the error's own text does not help. */
export async function explained(
  { failure, reason, code = "" }: FailedRequest,
  { origin, clock, settingNames }: Asked,
): Promise<string> {
  if (origin.startsWith("https:")) {
    return tlsFailureText({ code, message: reason }, settingNames) ?? reason;
  }
  const isOdd = (failure === "connect" && endedOddly.test(code)) || reason.startsWith("status 400");
  if (isOdd && (await speaksTls(origin, clock))) {
    return `http request to an https port: set the scheme to https (${reason})`;
  }
  return reason;
}

/** A handshake in the same cluster takes less. */
const handshakeMs = 1_000;

/** True if a port answers a TLS handshake. Never rejects. */
function speaksTls(origin: string, clock: Clock): Promise<boolean> {
  const { hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    // Nothing is sent or trusted, so any certificate will do.
    const socket = connect({ host, port: Number(port || 80), rejectUnauthorized: false });
    const cancel = clock.after(handshakeMs, () => done(false));
    const done = (answer: boolean) => {
      cancel();
      socket.destroy();
      resolve(answer);
    };
    socket.once("secureConnect", () => done(true));
    socket.on("error", (error) => {
      // A server that asks for a client certificate ends the handshake with a TLS alert.
      done("code" in error && /ALERT/.test(String(error.code)));
    });
    socket.once("close", () => done(false));
  });
}
