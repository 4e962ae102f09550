import { logVerbosity, type Server, type ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";

/** Binds and resolves to the port; rejects with one readable line. */
export function bound(
  server: Server,
  target: string,
  credentials: ServerCredentials,
): Promise<number> {
  // What grpc-js prints on its own is said again below, in one line and with the address.
  setLogVerbosity(logVerbosity.NONE);
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (cause, port) => {
      if (cause === null) resolve(port);
      else reject(new Error(`cannot listen on ${target}: ${reasonOf(cause)}`, { cause }));
    });
  });
}

function reasonOf(cause: Error): string {
  if (cause.message.includes("EADDRINUSE")) return "the port is in use";
  if (cause.message.includes("EACCES")) return "permission denied";
  if (cause.message.includes("EADDRNOTAVAIL")) return "this machine does not have the address";
  return cause.message;
}
