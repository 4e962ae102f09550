import type { AddressInfo, Server } from "node:net";

/** Readable texts for codes of the operating system. */
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EACCES: "permission denied",
  EADDRNOTAVAIL: "this machine does not have the address",
};

/**
 * Why a server cannot listen on `hostPort`, in one readable line. Libraries wrap the system's error
 * and leave its code in the message, so that is where it is looked for.
 */
export function listenError(hostPort: string, cause: Error): Error {
  const code = Object.keys(reasons).find((known) => cause.message.includes(known));
  const reason = (code === undefined ? undefined : reasons[code]) ?? cause.message;
  return new Error(`cannot listen on ${hostPort}: ${reason}`, { cause });
}

interface ListenAt {
  /** IP address. */
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Address and port as people write them. */
  readonly hostPort: string;
  /** True if other servers of this user may listen on the port too. */
  readonly sharesPort?: boolean;
}

/** Listens and resolves to the port; rejects with one readable line if it cannot listen. */
export function listening(
  server: Server,
  { address, port, hostPort, sharesPort = false }: ListenAt,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => reject(listenError(hostPort, cause)));
    server.listen({ port, host: address, reusePort: sharesPort }, () => {
      // A TCP server that listens has an address with a port.
      resolve((server.address() as AddressInfo).port);
    });
  });
}
