import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ClientTlsOptions } from "../../src/std/client-tls.ts";
import { startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";
import { fastEngine, startEngines } from "#test/support/simulated.ts";
import {
  anAuthority,
  type CertificateNames,
  type IssuedCertificate,
  startTlsFront,
} from "#test/support/tls-front.ts";
import { eventually } from "#test/support/wait.ts";

let folder = "";
let authority: Awaited<ReturnType<typeof anAuthority>>;
const opened: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "pointsman-engine-tls-"));
  authority = await anAuthority();
  await writeFile(path.join(folder, "ca.crt"), authority.cert);
});
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const file = (name: string) => path.join(folder, name);
const trusting = (more: Partial<ClientTlsOptions> = {}): ClientTlsOptions => ({
  insecureSkipVerify: false,
  caPath: file("ca.crt"),
  ...more,
});

async function written(name: string, { cert, key }: IssuedCertificate) {
  await Promise.all([writeFile(file(`${name}.crt`), cert), writeFile(file(`${name}.key`), key)]);
  return { clientCertPath: file(`${name}.crt`), clientKeyPath: file(`${name}.key`) };
}

const onThisMachine = { names: ["localhost"], addresses: ["127.0.0.1"] };

/** A simulated engine behind TLS. */
async function aSecureEngine(names: CertificateNames = onThisMachine, more: object = {}) {
  const simulator = await startEngines({ engines: 1, model: "llama", settings: fastEngine });
  opened.push(() => simulator.close());
  const certificate = await authority.issue(names);
  const front = await startTlsFront(simulator.engines[0]?.port ?? 0, { ...certificate, ...more });
  opened.push(front.close);
  return front;
}

async function aGateway(engines: readonly (number | string)[], engineTls: ClientTlsOptions) {
  const gateway = await startHttpGateway({ engines, http: { engineTls }, ignoresModels: true });
  opened.push(gateway.close);
  return gateway;
}

const chat = { model: "llama", max_tokens: 3, messages: [{ role: "user", content: "hello" }] };

type Gateway = Awaited<ReturnType<typeof aGateway>>;

/** The state of an endpoint's scrapes. */
async function scrapeAt(
  gateway: Gateway,
): Promise<{ readonly url: string | null; readonly failure: { readonly reason: string } | null }> {
  const { endpoints } = JSON.parse(await gateway.page("/debug/pool")) as {
    endpoints: [{ scrape: Awaited<ReturnType<typeof scrapeAt>> }];
  };
  return endpoints[0].scrape;
}

const eventOf = (gateway: Gateway, message: string) =>
  eventually(message, async () => gateway.lines.find(({ msg }) => msg === message));

describe("an engine over TLS", () => {
  it("serves requests, streams, models and metrics over connections that are used again", async () => {
    const engine = await aSecureEngine();
    const gateway = await aGateway([`https://localhost:${engine.port}`], trusting());
    const found = await eventually("the findings", async () => {
      const [finding] = await gateway.findings();
      return finding?.engine === undefined || finding.models === undefined ? undefined : finding;
    });
    expect(found).toMatchObject({ engine: "vllm", models: [{ id: "llama" }] });
    for (let count = 0; count < 20; count += 1) {
      const answer = await gateway.ask(chat);
      expect(answer.status).toBe(200);
      expect(await answer.json()).toMatchObject({ object: "chat.completion" });
    }
    const streamed = await gateway.ask({ ...chat, stream: true });
    expect(await streamed.text()).toMatch(/data: \[DONE\]\n\n$/u);
    expect((await scrapeAt(gateway)).url).toBe(`https://127.0.0.1:${engine.port}/metrics`);
    // One for requests, one for metrics, one for models.
    expect(engine.seen.handshakes).toBeLessThanOrEqual(4);
    expect(new Set(engine.seen.names)).toEqual(new Set(["localhost"]));
    expect(new Set(engine.seen.alpn)).toEqual(new Set(["http/1.1"]));
  });

  it("is told its name in Host, and verified by its address if it has no name", async () => {
    const engine = await startScriptedEngine((_, response) => void response.end("{}"), ["llama"]);
    opened.push(engine.close);
    const front = await startTlsFront(engine.port, await authority.issue(onThisMachine));
    opened.push(front.close);
    const named = await aGateway([`https://localhost:${front.port}`], trusting());
    expect((await named.ask(chat)).status).toBe(200);
    const unnamed = await aGateway([`https://127.0.0.1:${front.port}`], trusting());
    expect((await unnamed.ask(chat)).status).toBe(200);
    expect(engine.seen.map(({ headers }) => headers.host)).toEqual([
      `localhost:${front.port}`,
      `127.0.0.1:${front.port}`,
    ]);
    expect(front.seen.names).toContain(false);
  });

  it("resumes sessions on further connections", async () => {
    const engine = await aSecureEngine();
    const gateway = await aGateway([`https://localhost:${engine.port}`], trusting());
    await (await gateway.ask(chat)).text();
    const before = engine.seen.resumed;
    const answers = await Promise.all(Array.from({ length: 5 }, () => gateway.ask(chat)));
    await Promise.all(answers.map((answer) => answer.text()));
    expect(engine.seen.resumed - before).toBeGreaterThanOrEqual(3);
  });

  it.each([
    [
      "another name",
      { names: ["other.example.com"] },
      /certificate is for another name: set --engine-server-name/u,
    ],
    ["an expired one", { ...onThisMachine, days: [-9, -2] }, /certificate has expired: renew it/u],
    ["one of the future", { ...onThisMachine, days: [2, 9] }, /certificate is not valid yet/u],
  ] as const)("is refused with a certificate of %s", async (_, names, reason) => {
    const engine = await aSecureEngine(names);
    const gateway = await aGateway([`https://localhost:${engine.port}`], trusting());
    const answer = await gateway.ask(chat);
    expect(answer.status).toBe(502);
    const shown = await answer.text();
    expect(shown).toContain("TLS connection to the model server failed");
    expect(shown).not.toContain("--engine");
    const event = await eventOf(gateway, "TLS connection failed");
    expect(event).toMatchObject({ endpoint: `127.0.0.1:${engine.port}` });
    expect(event["reason"]).toMatch(reason);
    const scrape = await eventually("the failed scrape", async () => {
      const state = await scrapeAt(gateway);
      return state.failure ?? undefined;
    });
    expect(scrape.reason).toMatch(reason);
    const [finding] = await gateway.findings();
    expect(finding?.tlsFailure).toMatch(reason);
    // Once, however many requests fail.
    await gateway.ask(chat);
    expect(gateway.lines.filter(({ msg }) => msg === "TLS connection failed")).toHaveLength(1);
  });

  it("is refused with an unknown authority, unless certificates are not verified", async () => {
    const engine = await aSecureEngine();
    const unknown = await aGateway([`https://localhost:${engine.port}`], {
      insecureSkipVerify: false,
    });
    expect((await unknown.ask(chat)).status).toBe(502);
    const event = await eventOf(unknown, "TLS connection failed");
    expect(event["reason"]).toMatch(/unknown authority: set --engine-ca-file/u);
    const blind = await aGateway([`https://localhost:${engine.port}`], {
      insecureSkipVerify: true,
    });
    expect((await blind.ask(chat)).status).toBe(200);
  });

  it("has another name than its host if the operator says so", async () => {
    const engine = await aSecureEngine({ names: ["engines.example.com"] });
    const options = trusting({ serverName: "engines.example.com" });
    const gateway = await aGateway([`https://127.0.0.1:${engine.port}`], options);
    expect((await gateway.ask(chat)).status).toBe(200);
    expect(new Set(engine.seen.names)).toEqual(new Set(["engines.example.com"]));
  });

  it("may ask for a certificate", async () => {
    const engine = await aSecureEngine(onThisMachine, { requestCert: true, ca: authority.cert });
    const url = `https://localhost:${engine.port}`;
    const without = await aGateway([url], trusting());
    expect((await without.ask(chat)).status).toBe(502);
    const event = await eventOf(without, "TLS connection failed");
    expect(event["reason"]).toMatch(/set --engine-client-cert-file/u);
    const own = await written("client", await authority.issue({ names: ["gateway"] }));
    const gateway = await aGateway([url], trusting(own));
    expect((await gateway.ask(chat)).status).toBe(200);
    const scrape = await eventually("metrics", async () => {
      const [finding] = await gateway.findings();
      return finding?.engine;
    });
    expect(scrape).toBe("vllm");
  });

  it("is trusted as soon as its authority is in the file, and no longer once it is not", async () => {
    const other = await anAuthority();
    await writeFile(file("moving.crt"), other.cert);
    const engine = await aSecureEngine();
    const options = trusting({ caPath: file("moving.crt") });
    const gateway = await aGateway([`https://localhost:${engine.port}`], options);
    expect((await gateway.ask(chat)).status).toBe(502);
    const becomes = async (text: string, status: number) => {
      await writeFile(file("moving.crt"), text);
      await eventually(`status ${status}`, async () => {
        const answer = await gateway.ask(chat);
        await answer.text();
        return answer.status === status ? true : undefined;
      });
    };
    await becomes(authority.cert, 200);
    expect(gateway.lines.map(({ msg }) => msg)).toContain("TLS connection restored");
    // A file that is half-written changes nothing.
    await writeFile(file("moving.crt"), "-----BEGIN");
    await eventOf(gateway, "engine certificates not read");
    expect((await gateway.ask(chat)).status).toBe(200);
    // Connections and sessions of the time before are not used any more.
    await becomes(other.cert, 502);
  });

  it("stands beside one without TLS, which serves in its place", async () => {
    const refused = await aSecureEngine({ names: ["other.example.com"] });
    const simulator = await startEngines({ engines: 1, model: "llama", settings: fastEngine });
    opened.push(() => simulator.close());
    const plain = simulator.engines[0]?.port ?? 0;
    const gateway = await aGateway([`https://localhost:${refused.port}`, plain], trusting());
    for (let count = 0; count < 10; count += 1) {
      const answer = await gateway.ask(chat);
      expect(answer.status).toBe(200);
      await answer.text();
    }
  });

  it("is reached without TLS if its URL says so, and is then told apart", async () => {
    const engine = await aSecureEngine();
    const gateway = await aGateway([engine.port], trusting());
    expect((await gateway.ask(chat)).status).toBe(502);
    const scrape = await eventually("the failed scrape", async () => {
      const state = await scrapeAt(gateway);
      return state.failure ?? undefined;
    });
    expect(scrape.reason).toContain("set the scheme to https");
  });
});

const textOf = async ({ ask }: Gateway) => (await ask(chat)).text();

describe("an answer over TLS that is cut", () => {
  const frame = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';

  it("never looks complete, with or without a length", async () => {
    const ways: Record<string, readonly string[]> = {
      chunked: ["content-type", "text/event-stream"],
      sized: ["content-length", "10000"],
    };
    let way = "chunked";
    const engine = await startScriptedEngine(
      (_, response) => {
        response.writeHead(200, [...(ways[way] ?? [])]);
        response.write(frame);
      },
      ["llama"],
    );
    opened.push(engine.close);
    const front = await startTlsFront(engine.port, await authority.issue(onThisMachine));
    opened.push(front.close);
    const gateway = await aGateway([`https://localhost:${front.port}`], trusting());
    for (way of Object.keys(ways)) {
      const answer = await gateway.ask({ ...chat, stream: true });
      const body = answer.text().then(
        (text) => text,
        () => "cut",
      );
      await eventually("the request", async () => engine.seen.at(-1));
      front.cut();
      expect(await body).toBe("cut");
    }
  });

  it("counts as cut if nothing but the end of its connection ends it, which could be anyone's", async () => {
    let type = "text/plain";
    const engine = await startScriptedEngine(
      (request, response) => {
        // Without a length and chunks, as HTTP/1.0 does it.
        request.socket.end(`HTTP/1.0 200 OK\r\ncontent-type: ${type}\r\n\r\n{}`);
        response.destroy();
      },
      ["llama"],
    );
    opened.push(engine.close);
    const front = await startTlsFront(engine.port, await authority.issue(onThisMachine));
    opened.push(front.close);
    const secure = await aGateway([`https://localhost:${front.port}`], trusting());
    await expect(textOf(secure)).rejects.toThrow("terminated");
    const plain = await aGateway([engine.port], trusting());
    expect(await textOf(plain)).toBe("{}");
    // Its content is whole.
    type = "application/json";
    expect(await textOf(secure)).toBe("{}");
  });
});
