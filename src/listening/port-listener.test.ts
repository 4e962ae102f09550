import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { ServerIdentity } from "./server-identity.ts";
import { type Accepted, PortListener } from "./port-listener.ts";
import { selfSignedIdentity } from "./self-signed.ts";

const identity = new ServerIdentity(await selfSignedIdentity(Date.UTC(2026, 0)), {
  minVersion: undefined,
  ciphers: undefined,
});

let listener: PortListener;
const sockets: Duplex[] = [];
afterEach(() => {
  listener.close();
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function listening(accepted: Accepted) {
  const warnings: object[] = [];
  const handed: string[] = [];
  const clock = new FakeClock();
  listener = new PortListener(accepted, {
    clock,
    log: { warn: (fields, message) => void warnings.push({ message, ...fields }) },
    helloTimeoutMs: 100,
  });
  const port = await listener.listen("127.0.0.1", 0, (socket) => {
    sockets.push(socket);
    // What it said first is not lost, and it hears an answer.
    socket.on("data", (bytes: Buffer) => {
      handed.push(bytes.toString("latin1"));
      socket.write("heard");
    });
    socket.resume();
  });
  return { port, warnings, handed, clock };
}

/** Sends bytes; returns the answer, or undefined if the connection is cut off. */
async function said(client: Socket, words: string): Promise<string | undefined> {
  sockets.push(client);
  client.on("error", () => undefined);
  client.write(words, "latin1");
  return new Promise((resolve) => {
    client.once("data", (heard: Buffer) => resolve(heard.toString()));
    client.once("close", () => resolve(undefined));
  });
}

/** Bytes of a client up to the beginning of a request with the header `:method: GET`. */
const begun = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x01\x01\x05\0\0\0\x01\x82";

const inClear = (port: number) => connect(port, "127.0.0.1");
const overTls = (port: number) =>
  connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });

describe("a port", () => {
  it.each([
    { kind: "cleartext", clear: "heard", tls: undefined },
    { kind: "tls", clear: undefined, tls: "heard" },
    { kind: "both", clear: "heard", tls: "heard" },
  ] as const)("of $kind takes what it should, byte for byte", async ({ kind, clear, tls }) => {
    const { port, handed } = await listening({ kind, identity });
    expect(await said(inClear(port), begun)).toBe(clear);
    expect(await said(overTls(port), begun)).toBe(tls);
    expect(new Set(handed)).toEqual(new Set([begun]));
  });

  it("says once a minute what a client does wrong", async () => {
    const { port, warnings, clock } = await listening({ kind: "tls", identity });
    await said(inClear(port), "PRI");
    await said(inClear(port), "PRI");
    expect(warnings).toMatchObject([
      {
        message: "cleartext connection refused",
        advice: expect.stringMatching(/takes TLS.*--allow-cleartext/) as string,
      },
    ]);
    await clock.advance(60_000);
    await said(inClear(port), "PRI");
    expect(warnings).toHaveLength(2);
  });

  it("tells a TLS client apart on a port of cleartext", async () => {
    const { port, warnings } = await listening({ kind: "cleartext" });
    expect(await said(overTls(port), "PRI")).toBeUndefined();
    expect(warnings).toMatchObject([
      {
        message: "TLS connection refused",
        advice: expect.stringMatching(/takes cleartext.*--secure-serving/) as string,
      },
    ]);
  });

  it.each(["nothing", "half a handshake"])("cuts off a client that says %s", async (what) => {
    const { port, warnings, handed } = await listening({ kind: "both", identity });
    const client = inClear(port);
    sockets.push(client);
    if (what !== "nothing") client.write(Buffer.from([0x16, 3, 1]));
    await once(client, "close");
    expect({ warnings, handed }).toEqual({ warnings: [], handed: [] });
  });

  it("drops those that wait when it closes, and leaves those that it has handed on", async () => {
    const { port } = await listening({ kind: "both", identity });
    const client = inClear(port);
    expect(await said(client, begun)).toBe("heard");
    const silent = inClear(port);
    await once(silent, "connect");
    // A connection of its own to be sure that the silent one has been taken.
    expect(await said(inClear(port), begun)).toBe("heard");
    listener.close();
    await once(silent, "close");
    expect(await said(client, "more")).toBe("heard");
  });

  it("says why it cannot listen", async () => {
    const { port } = await listening({ kind: "cleartext" });
    const second = new PortListener(
      { kind: "cleartext" },
      { clock: new FakeClock(), log: console },
    );
    await expect(second.listen("127.0.0.1", port, () => undefined)).rejects.toThrow(
      `cannot listen on 127.0.0.1:${port}: the port is in use`,
    );
  });
});
