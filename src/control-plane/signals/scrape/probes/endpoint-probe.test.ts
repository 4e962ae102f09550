import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server as GrpcServer, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { generate } from "selfsigned";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../../std/clock.ts";
import { seededRandom } from "../../../../std/random.ts";
import { type EndpointProbe, Probe } from "./endpoint-probe.ts";
import type { ScrapedEndpoint } from "../scrape-address.ts";
import type { ProbeSettings } from "./probe-settings.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

/** Starts a server and returns its port; the server closes after the test. */
async function portOf(server: Server | TlsServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  // A server that listens on TCP has an address object.
  return (server.address() as AddressInfo).port;
}

async function anEndpoint(answer: RequestListener) {
  const server: Server = createServer((request, response) => current(request, response));
  let current = answer;
  const port = await portOf(server);
  return { port, become: (next: RequestListener) => (current = next) };
}

type Kind = Pick<ProbeSettings, "kind"> & Partial<ProbeSettings>;

/** Reads one endpoint of a probe repeatedly, and lists the findings. */
function reading(port: number, kind: Kind, more: Partial<ScrapedEndpoint> = {}) {
  const told: unknown[] = [];
  const probe = new Probe(
    {
      scheme: "http",
      path: "/x",
      port: undefined,
      timeoutMs: 200,
      intervalMs: 5,
      insecureSkipVerify: true,
      ...kind,
      // Each test gives the fields that its kind has.
    } as ProbeSettings,
    {
      clock: systemClock,
      random: seededRandom(1),
      sink: {
        models: (_, models) => told.push(models),
        attribute: (_, name, value) => told.push([name, value]),
        check: (_, isWell) => told.push(isWell),
        log: () => undefined,
      },
    },
  );
  closers.push(() => probe.close());
  const endpoint = {
    ...{ slot: 3, generation: 1, id: "default/pod-a-rank-0", podName: "pod-a" },
    ...{ address: "127.0.0.1", nodeAddress: "127.0.0.1", port, ...more },
  };
  const onEndpoint: EndpointProbe = probe.of({ ...endpoint, labels: {} });
  const until = (isMet: () => boolean) =>
    vi.waitUntil(
      async () => {
        await onEndpoint.startDue(systemClock.nowMs());
        return isMet();
      },
      { timeout: 10_000, interval: 2 },
    );
  return { told, until, onEndpoint };
}

const models = (...ids: readonly string[]): RequestListener => {
  const body = JSON.stringify({ object: "list", data: ids.map((id) => ({ id, object: "model" })) });
  return (_, response) => response.end(body);
};

describe("the list of models", () => {
  it("is reported when it is known and when it changes", async () => {
    const { port, become } = await anEndpoint(models("base", "adapter"));
    const { told, until } = reading(port, { kind: "models" });
    await until(() => told.length === 1);
    become(models("base"));
    await until(() => told.length === 2);
    expect(told).toEqual([["adapter", "base"], ["base"]]);
  });

  it.each<readonly [string, RequestListener]>([
    ["answers 500", (_, response) => response.writeHead(500).end()],
    ["answers no JSON", (_, response) => response.end("<html>")],
    ["answers another shape", (_, response) => response.end('{"models":[]}')],
    ["sends over 1 MiB", (_, response) => response.end(`{"data":[]${" ".repeat(2 ** 20)}}`)],
    ["never answers", () => undefined],
  ])("is kept for two failures of one that %s, and then unknown", async (_, bad) => {
    const { port, become } = await anEndpoint(models("base"));
    const { told, until } = reading(port, { kind: "models" });
    await until(() => told.length === 1);
    let failures = 0;
    become((request, response) => {
      failures += 1;
      bad(request, response);
    });
    await until(() => told.length === 2);
    expect(told).toEqual([["base"], undefined]);
    expect(failures).toBeGreaterThanOrEqual(3);
  });
});

describe("the utilization of GPUs", () => {
  it("is that of the endpoint's busiest GPU, 0 to 1", async () => {
    const page = [
      'DCGM_FI_DEV_GPU_UTIL{gpu="0",pod="pod-a"} 40',
      'DCGM_FI_DEV_GPU_UTIL{gpu="1",pod="pod-a"} 75',
      'DCGM_FI_DEV_GPU_UTIL{gpu="2",pod="pod-b"} 99',
      "DCGM_FI_DEV_GPU_TEMP 60",
      "",
    ].join("\n");
    const { port } = await anEndpoint((_, response) => response.end(page));
    const { told, until } = reading(port, { kind: "dcgm", attribute: "dcgm/GPUUtilization" });
    await until(() => told.length > 0);
    expect(told[0]).toEqual(["dcgm/GPUUtilization", 0.75]);
  });

  it("counts series without a pod, and none that is not a percentage", async () => {
    const page = 'DCGM_FI_DEV_GPU_UTIL 30\nDCGM_FI_DEV_GPU_UTIL{gpu="1"} NaN\n';
    const { port } = await anEndpoint((_, response) => response.end(page));
    const { told, until } = reading(port, { kind: "dcgm", attribute: "a" });
    await until(() => told.length > 0);
    expect(told[0]).toEqual(["a", 0.3]);
  });

  it("is read on the endpoint's node if the source says so", async () => {
    const { port } = await anEndpoint((_, response) => response.end("DCGM_FI_DEV_GPU_UTIL 50\n"));
    const kind = { kind: "dcgm", attribute: "a", usesNodeAddress: true, port } as const;
    const { told, until } = reading(port, kind, { address: "127.9.9.9" });
    await until(() => told.length > 0);
    expect(told[0]).toEqual(["a", 0.5]);
  });

  it("becomes unknown after three failures", async () => {
    const { port } = await anEndpoint((_, response) => response.writeHead(404).end());
    const { told, until } = reading(port, { kind: "dcgm", attribute: "a" });
    await until(() => told.length > 0);
    expect(told[0]).toEqual(["a", Number.NaN]);
  });
});

const well: RequestListener = (_, response) => response.end("ok");

const httpCheck = { kind: "check", grpcService: undefined } as const;

describe("an active check", () => {
  it("is reported once when an endpoint passes, fails in a row, and passes again", async () => {
    const { port, become } = await anEndpoint(well);
    const { told, until } = reading(port, { ...httpCheck, failuresMax: 2 });
    await until(() => told.length === 1);
    become((_, response) => response.writeHead(503).end());
    await until(() => told.length === 2);
    become(well);
    await until(() => told.length === 3);
    expect(told).toEqual([true, false, true]);
  });

  it.each([
    ["of a private authority", "engine.internal", true],
    ["for another name", "other.internal", false],
  ])("in https verifies a certificate %s", async (_, serverName, isWell) => {
    const folder = mkdtempSync(path.join(tmpdir(), "signals-check-"));
    closers.push(() => rmSync(folder, { recursive: true }));
    const made = await generate([{ name: "commonName", value: "engine.internal" }], {
      extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "engine.internal" }] }],
    });
    const caPath = path.join(folder, "ca.pem");
    writeFileSync(caPath, made.cert);
    const server = createTlsServer({ cert: made.cert, key: made.private }, well);
    const port = await portOf(server);
    const access = { scheme: "https", insecureSkipVerify: false, caPath, serverName } as const;
    const { told, until } = reading(port, { ...httpCheck, failuresMax: 2, ...access });
    await until(() => told.length > 0);
    expect(told).toEqual([isWell]);
  });

  it("does not report one that fails once", async () => {
    let requests = 0;
    const { port } = await anEndpoint((_, response) => {
      requests += 1;
      response.writeHead(requests === 2 ? 503 : 200).end();
    });
    const { told, until } = reading(port, { ...httpCheck, failuresMax: 2 });
    await until(() => requests > 4);
    expect(told).toEqual([true]);
  });

  it("ends in the middle of a reading when it is stopped", async () => {
    const { port } = await anEndpoint(() => undefined);
    const { told, onEndpoint } = reading(port, { ...httpCheck, failuresMax: 1 });
    // Late enough for the first reading at any jitter.
    const started = onEndpoint.startDue(systemClock.nowMs() + 1_000);
    onEndpoint.stop();
    await started;
    expect(told).toEqual([]);
  });

  it("asks a gRPC health service over TLS at the port of an endpoint with TLS", async () => {
    const { cert, private: key } = await generate([{ name: "commonName", value: "engine" }], {
      ...{ keyType: "ec", curve: "P-256", algorithm: "sha256" },
      extensions: [
        { name: "subjectAltName", altNames: [{ type: 2, value: "engine.example.com" }] },
      ],
    });
    const folder = mkdtempSync(path.join(tmpdir(), "pointsman-grpc-"));
    const caPath = path.join(folder, "ca.crt");
    writeFileSync(caPath, cert);
    const server = new GrpcServer();
    new HealthImplementation({ "": "SERVING" }).addToServer(server);
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createSsl(null, [pair]), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    closers.push(() => server.forceShutdown());
    const check = { kind: "check", failuresMax: 1, grpcService: "", timeoutMs: 2_000 } as const;
    const access = { insecureSkipVerify: false, caPath };
    const findingAt = async (serverName: string) => {
      const at = reading(port, { ...check, ...access }, { tls: { serverName } });
      await at.until(() => at.told.length === 1);
      at.onEndpoint.stop();
      return at.told;
    };
    expect(await findingAt("engine.example.com")).toEqual([true]);
    expect(await findingAt("other.example.com")).toEqual([false]);
    rmSync(folder, { recursive: true });
  });

  it("asks a gRPC health service by name if configured", async () => {
    const health = new HealthImplementation({ "": "NOT_SERVING", engine: "SERVING" });
    const server = new GrpcServer();
    health.addToServer(server);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    closers.push(() => server.forceShutdown());
    const check = { kind: "check", failuresMax: 2 } as const;
    const named = reading(port, { ...check, grpcService: "engine" });
    await named.until(() => named.told.length === 1);
    health.setStatus("engine", "NOT_SERVING");
    await named.until(() => named.told.length === 2);
    expect(named.told).toEqual([true, false]);
    const whole = reading(port, { ...check, grpcService: "" });
    await whole.until(() => whole.told.length === 1);
    expect(whole.told).toEqual([false]);
    for (const { onEndpoint } of [named, whole]) onEndpoint.stop();
  });
});
