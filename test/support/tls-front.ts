import { once } from "node:events";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { createServer, type TlsOptions, type TLSSocket } from "node:tls";
import { generate } from "selfsigned";

export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateNames {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** Days from now at which it begins and ends. */
  readonly days?: readonly [number, number];
}

const dayMs = 86_400_000;

/** An authority of the test's own. */
export async function anAuthority() {
  const { cert, private: key } = await generate([{ name: "commonName", value: "test-authority" }], {
    ...{ keyType: "ec", curve: "P-256", algorithm: "sha256" },
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  return {
    cert,
    issue: async ({ names = [], addresses = [], days = [-1, 30] }: CertificateNames) => {
      const issued = await generate([{ name: "commonName", value: "engine" }], {
        ...{ keyType: "ec", curve: "P-256", algorithm: "sha256", ca: { key, cert } },
        notBeforeDate: new Date(Date.now() + days[0] * dayMs),
        notAfterDate: new Date(Date.now() + days[1] * dayMs),
        extensions: [
          { name: "basicConstraints", cA: false },
          { name: "extKeyUsage", serverAuth: true, clientAuth: true },
          {
            name: "subjectAltName",
            altNames: [
              ...names.map((value) => ({ type: 2 as const, value })),
              ...addresses.map((ip) => ({ type: 7 as const, ip })),
            ],
          },
        ],
      });
      return { cert: issued.cert, key: issued.private };
    },
  };
}

/** A port that ends TLS before an engine, as a reverse proxy or a sidecar does. */
export async function startTlsFront(enginePort: number, options: TlsOptions) {
  const seen = {
    handshakes: 0,
    resumed: 0,
    names: [] as (string | false)[],
    alpn: [] as unknown[],
  };
  const sockets = new Set<Socket>();
  const raws = new Set<Socket>();
  const server = createServer(
    { ALPNProtocols: ["h2", "http/1.1"], ...options },
    (socket: TLSSocket) => {
      seen.handshakes += 1;
      if (socket.isSessionReused()) seen.resumed += 1;
      seen.names.push(socket.servername ?? false);
      seen.alpn.push(socket.alpnProtocol);
      const engine = connect(enginePort, "127.0.0.1");
      for (const each of [socket, engine]) {
        sockets.add(each);
        each.on("error", () => undefined).on("close", () => void sockets.delete(each));
      }
      socket.pipe(engine).pipe(socket);
      engine.on("close", () => socket.end());
      socket.on("close", () => engine.destroy());
    },
  );
  server.on("tlsClientError", () => undefined);
  // The bytes pass through a server of TCP, which can end a connection without TLS's own end.
  const port = createTcpServer((client) => {
    const inner = connect((server.address() as AddressInfo).port, "127.0.0.1");
    for (const each of [client, inner]) {
      sockets.add(each);
      each.on("error", () => undefined).on("close", () => void sockets.delete(each));
    }
    raws.add(client);
    client.pipe(inner).pipe(client);
    client.on("close", () => {
      raws.delete(client);
      inner.destroy();
    });
  });
  for (const each of [server, port]) {
    each.listen(0, "127.0.0.1");
    await once(each, "listening");
  }
  return {
    port: (port.address() as AddressInfo).port,
    seen,
    become: (next: IssuedCertificate) => server.setSecureContext(next),
    /** Ends all connections without a word of TLS. */
    cut: () => {
      for (const each of raws) each.end();
    },
    close: async () => {
      server.close();
      port.close();
      for (const each of sockets) each.destroy();
    },
  };
}
