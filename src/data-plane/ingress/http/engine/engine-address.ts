import type { EndpointTls } from "../../../../core/endpoint.ts";
import { httpsHostOf } from "../../../../std/host-port.ts";

/** Where an engine is, and whether it is reached over TLS. */
export interface EngineAddress {
  /** `ip:port` */
  readonly hostPort: string;
  readonly tls?: EndpointTls | undefined;
}

/** Distinguishes addresses whose connections are not the same. */
export function keyOf({ hostPort, tls }: EngineAddress): string {
  return tls === undefined ? hostPort : `https ${hostPort} ${tls.serverName ?? ""}`;
}

/** The value of `Host`: a server of several names looks for the one of its certificate. */
export function hostOf({ hostPort, tls }: EngineAddress): string {
  const name = tls?.serverName;
  return name === undefined ? hostPort : httpsHostOf(name, portOf(hostPort));
}

export function portOf(hostPort: string): number {
  return Number(hostPort.slice(hostPort.lastIndexOf(":") + 1));
}

/** The IP address, IPv6 without brackets. */
export function ipOf(hostPort: string): string {
  return hostPort.slice(0, hostPort.lastIndexOf(":")).replace(/^\[|\]$/gu, "");
}
