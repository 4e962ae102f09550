import { logVerbosity, type Server, type ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { listenError } from "../../../std/listen-error.ts";

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
      else reject(listenError(target, cause));
    });
  });
}
