import { createServer } from "node:net";

export type PortTrial =
  | { readonly kind: "free"; readonly port: number }
  | { readonly kind: "taken"; readonly reason: string };

/** Tries a port of 127.0.0.1 by listening on it for a moment; 0 finds a free one. */
export function tryPort(port: number): Promise<PortTrial> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const reason = cause.code === "EADDRINUSE" ? "is in use" : `cannot be used: ${cause.message}`;
      resolve({ kind: "taken", reason });
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      const found = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => resolve({ kind: "free", port: found }));
    });
  });
}
