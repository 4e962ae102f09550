import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "#test/support/scripted-engine.ts";

/** What the conformance suite sends: JSON without a content type, on a path of no API. */
const body = JSON.stringify({ model: "conformance-fake-model", prompt: "Write as if" });
const selection = "test-epp-endpoint-selection";
const servedBy = "x-conformance-test-served-endpoint";

/** Addresses of their own, as pods have them. */
const addresses = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];

describe("serve with the plugins of the conformance suite", () => {
  let engines: ScriptedEngine[] = [];
  let rig: Rig;

  beforeAll(async () => {
    engines = await Promise.all(
      addresses.map((address) =>
        startScriptedEngine((request, response) => {
          response.writeHead(200, { "content-type": "application/json", [servedBy]: "a lie" });
          response.end(JSON.stringify({ address, headers: request.headers }));
        }, address),
      ),
    );
    rig = await startRig({
      engines,
      routing: "override-host",
      flags: ["--enable-conformance-plugins"],
      scheduling:
        "- type: header-based-testing-filter\n- type: destination-endpoint-served-verifier\n",
    });
  });
  afterAll(async () => {
    await rig?.close();
    await Promise.all(engines.map((engine) => engine.close()));
  });

  async function ask(pin: string | undefined, init: RequestInit = { method: "POST", body }) {
    const headers = pin === undefined ? {} : { [selection]: pin };
    const response = await fetch(`${rig.url}/primary-gateway-test`, { ...init, headers });
    // The scripted engine's own answer, or an error of ours.
    const answer = (await response.json()) as {
      address?: string;
      headers?: Record<string, string>;
    };
    return { status: response.status, served: response.headers.get(servedBy), ...answer };
  }

  it("sends every request to one of the endpoints the header pins, and leaves the header", async () => {
    for (const count of [1, 2, 3]) {
      const pinned = addresses.slice(0, count);
      const answers = await Promise.all(Array.from({ length: 100 }, () => ask(pinned.join(","))));
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      expect(new Set(answers.map(({ address }) => address))).toEqual(new Set(pinned));
      expect(answers[0]?.headers?.[selection]).toBe(pinned.join(","));
    }
  });

  it("tells who served, as the proxy reports it, in place of what an engine claims", async () => {
    const [, second] = engines;
    const pin = `${second?.address}:${second?.port}`;
    expect(await ask(pin)).toMatchObject({ status: 200, address: second?.address, served: pin });
  });

  it("passes over entries of other pools, and refuses where no entry is ours", async () => {
    expect(await ask("10.9.9.9,127.0.1.3")).toMatchObject({ address: "127.0.1.3" });
    expect((await ask("10.9.9.9")).status).toBe(429);
    const [first] = engines;
    expect((await ask(`${first?.address}:1`)).status).toBe(429);
  });

  it("pins a request without a body too, and routes one without a pin", async () => {
    expect(await ask("127.0.1.2", {})).toMatchObject({ status: 200, address: "127.0.1.2" });
    expect((await ask(undefined)).status).toBe(200);
  });
});
