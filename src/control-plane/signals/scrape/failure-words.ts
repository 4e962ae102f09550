import { connect } from "node:tls";
import type { Clock } from "../../../std/clock.ts";
import type { FailedRequest } from "./scrape-once.ts";

const wrongSchemeCodes = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/;
const wrongSchemeMessage =
  /wrong version number|packet length too long|before secure TLS connection/;
const unknownAuthority = /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER|CERT_UNTRUSTED/;
/**
 * Errors of a connection to a port with another protocol: closed, reset, or bytes that are not
 * HTTP.
 */
const endedOddly = /^(?:UND_ERR_SOCKET|ECONNRESET|EPIPE|HPE_)/;

/** The reason why a scrape failed, explained for people if the error's own text does not help. */
export async function explained(
  { failure, reason, code = "" }: FailedRequest,
  origin: string,
  clock: Clock,
): Promise<string> {
  if (origin.startsWith("https:")) return explainedTls(reason, code);
  const isOdd = (failure === "connect" && endedOddly.test(code)) || reason.startsWith("status 400");
  if (isOdd && (await speaksTls(origin, clock))) {
    return `http request to an https port: set the scheme to https (${reason})`;
  }
  return reason;
}

function explainedTls(reason: string, code: string): string {
  if (wrongSchemeCodes.test(code) || wrongSchemeMessage.test(reason)) {
    return `https request to a port without TLS: set the scheme to http (${reason})`;
  }
  if (unknownAuthority.test(code)) {
    return `certificate signed by an unknown authority: set caCertPath (${reason})`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `certificate is for another name: set serverName (${reason})`;
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
