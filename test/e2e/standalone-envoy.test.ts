import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, start } from "#test/support/child.ts";
import { freePort } from "#test/support/free-port.ts";
import { containersOf, manifestsIn } from "#test/support/manifests.ts";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";
import { eventually } from "#test/support/wait.ts";
import { say } from "#test/support/say.ts";
import { envoyPath } from "#test/components/envoy.ts";

const component = "manifests/components/standalone-envoy";
const bootstrap = `${component}/envoy.yaml`;

/** The addresses of the bootstrap as it is written, which only a cluster has. */
const written = {
  listener: "{socket_address: {address: 0.0.0.0, port_value: 8080}}",
  ready: "{socket_address: {address: 0.0.0.0, port_value: 8081}}",
  admin: "{socket_address: {address: 127.0.0.1, port_value: 19000}}",
  picker: "{socket_address: {address: pointsman-epp-pods, port_value: 9002}}",
  engine: "{socket_address: {address: model-servers-pods, port_value: 8000}}",
};

describe("the standalone Envoy of the manifests", () => {
  let engine: ScriptedEngine;
  let rig: Rig;
  let envoy: Child;
  let folder: string;
  let url: string;
  let readyUrl: string;

  beforeAll(async () => {
    engine = await startScriptedEngine((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end('{"usage":{"prompt_tokens":3,"completion_tokens":2}}');
    });
    rig = await startRig({ engines: [engine], pickerTls: true });
    const ports = { listener: await freePort(), ready: await freePort(), admin: await freePort() };
    const local = { ...ports, picker: rig.pickers[0]?.ports.grpc ?? 0, engine: engine.port };
    url = `http://127.0.0.1:${ports.listener}`;
    readyUrl = `http://127.0.0.1:${ports.ready}`;
    folder = await mkdtemp(path.join(tmpdir(), "pointsman-envoy-"));
    const file = path.join(folder, "envoy.yaml");
    await writeFile(file, bootstrapAt(local));
    const binary = await envoyPath(say);
    envoy = start(binary, argvOf(file));
    await Promise.race([
      eventually("Envoy is ready", async () =>
        (await fetch(`${readyUrl}/ready`)).ok ? true : undefined,
      ),
      envoy.ended.then((how) => {
        throw new Error(`Envoy ended with ${how}:\n${envoy.output()}`);
      }),
    ]);
  });
  afterAll(async () => {
    await envoy?.close();
    await rig?.close();
    await engine?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it("asks the picker over TLS, follows it and reports who served", async () => {
    await eventually("the picker is found to be in health", async () => {
      const response = await complete("first");
      return response.status === 200 ? true : undefined;
    });
    const response = await complete("second");
    expect(response.status).toBe(200);
    const line = await eventually("the request is logged", async () =>
      rig.requestLog().find(({ requestId }) => requestId === "second"),
    );
    expect(line).toMatchObject({ servedBy: `127.0.0.1:${engine.port}` });
  });

  it("shows its statistics beside its readiness", async () => {
    const text = await (await fetch(`${readyUrl}/stats/prometheus`)).text();
    expect(text).toContain('envoy_cluster_membership_healthy{envoy_cluster_name="picker"} 1');
  });

  async function complete(requestId: string): Promise<Response> {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": requestId },
      body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }] }),
    });
    await response.arrayBuffer();
    return response;
  }
});

/** The arguments of the Deployment, with the file where the test has it. */
function argvOf(file: string): readonly string[] {
  const containers = manifestsIn(readFileSync(`${component}/deployment.yaml`, "utf8")).flatMap(
    containersOf,
  );
  return (containers[0]?.args ?? []).map((arg) => (arg === "/etc/envoy/envoy.yaml" ? file : arg));
}

/** The bootstrap of the manifests, on ports of the test. */
function bootstrapAt(ports: Readonly<Record<keyof typeof written, number>>): string {
  let text = readFileSync(bootstrap, "utf8");
  for (const [name, address] of Object.entries(written)) {
    if (!text.includes(address)) throw new Error(`${bootstrap} lacks ${address}`);
    // The keys of both tables are the same.
    const port = ports[name as keyof typeof written];
    text = text.replaceAll(address, `{socket_address: {address: 127.0.0.1, port_value: ${port}}}`);
  }
  return text;
}
