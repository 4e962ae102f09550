/** The settings that an operator changes if certificates do not suit each other. */
export interface TlsSettingNames {
  readonly ca: string;
  readonly serverName: string;
  readonly clientCertificate: string;
}

/** Flags of `gateway` for endpoints over TLS. */
export const engineFlagNames: TlsSettingNames = {
  ca: "--engine-ca-file",
  serverName: "--engine-server-name",
  clientCertificate: "--engine-client-cert-file and --engine-client-key-file",
};

/** A failed connection over TLS. */
interface TlsError {
  /** The code of the error, such as CERT_HAS_EXPIRED. */
  readonly code: string;
  readonly message: string;
}

const noTls = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/u;
const noTlsMessage = /wrong version number|packet length too long|before secure TLS connection/u;
const unknownAuthority = /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER|CERT_UNTRUSTED/u;
/** Alerts of a server that refuses the client, or wants a certificate of it. */
const refusedClient =
  /ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED))|HANDSHAKE_FAILURE/u;
const anyCertificate = /^(?:CERT_|ERR_TLS_CERT_|INVALID_|PATH_LENGTH|HOSTNAME_MISMATCH)/u;

/** A fault of TLS: what it is, and the line to change. */
export interface TlsFault {
  readonly what: string;
  readonly change: string;
}

/** The reason of a failed connection over TLS, with the setting to change; undefined if TLS is not to blame. */
export function tlsFailureText(error: TlsError, names: TlsSettingNames): string | undefined {
  const fault = tlsFaultOf(error, names);
  return fault === undefined ? undefined : `${fault.what}: ${fault.change} (${error.message})`;
}

/** Undefined if TLS is not to blame. */
export function tlsFaultOf(
  { code, message }: TlsError,
  names: TlsSettingNames,
): TlsFault | undefined {
  if (noTls.test(code) || noTlsMessage.test(message)) {
    return { what: "https request to a port without TLS", change: "set the scheme to http" };
  }
  if (code === "CERT_HAS_EXPIRED") {
    return { what: "certificate has expired", change: "renew it at the engine" };
  }
  if (code === "CERT_NOT_YET_VALID") {
    return { what: "certificate is not valid yet", change: "set the clock that is wrong" };
  }
  if (unknownAuthority.test(code)) {
    return { what: "certificate signed by an unknown authority", change: `set ${names.ca}` };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return { what: "certificate is for another name", change: `set ${names.serverName}` };
  }
  if (refusedClient.test(code)) {
    const change = `set ${names.clientCertificate}`;
    return { what: "client certificate missing or refused", change };
  }
  if (anyCertificate.test(code)) {
    return { what: "certificate is not valid", change: "renew it at the engine" };
  }
  if (!code.startsWith("ERR_SSL_")) return undefined;
  return { what: "TLS handshake failed", change: "set versions and ciphers that both sides have" };
}
