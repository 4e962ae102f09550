import { ServerResponse } from "node:http";
import { afterEach, expect, it, vi } from "vitest";
import { Exchange } from "../../src/data-plane/exchange.ts";
import { HttpIngress } from "../../src/data-plane/ingress/http/http-ingress.ts";
import { startHttpGateway, startScriptedEngine } from "#test/support/http-gateway.ts";

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const close of opened.splice(0).toReversed()) await close();
});

const chat = { model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 5 };
const answers = 3;

/** A gateway whose engine holds its answers until there are three, and then gives all of them in one turn. */
async function aGateway() {
  const held: ServerResponse[] = [];
  const engine = await startScriptedEngine((_, response) => {
    held.push(response);
    if (held.length < answers) return;
    for (const each of held.splice(0)) each.end('{"choices":[]}');
  });
  opened.push(engine.close);
  const listen = vi.spyOn(HttpIngress.prototype, "listen");
  const gateway = await startHttpGateway({ engines: [engine.port] });
  opened.push(gateway.close);
  const [ingress] = listen.mock.contexts;
  if (!(ingress instanceof HttpIngress)) throw new Error("no ingress listens");
  const ask = async (): Promise<string> => {
    const response = await gateway.ask(chat);
    return response.text();
  };
  const askAll = async () => {
    const told = await Promise.allSettled(Array.from({ length: answers }, ask));
    return told.filter(({ status }) => status === "fulfilled").length;
  };
  return { ingress, askAll };
}

/** Runs `step` before each call of a method, until the test is over. */
function before(prototype: object, name: string, step: (self: unknown) => void): void {
  const method: unknown = Reflect.get(prototype, name);
  if (typeof method !== "function") throw new Error(`${name} is no method`);
  const changed = function (this: unknown, ...parts: unknown[]): unknown {
    step(this);
    return Reflect.apply(method, this, parts);
  };
  Reflect.set(prototype, name, changed);
  opened.push(async () => Reflect.set(prototype, name, method));
}

/** Runs `step` before the gateway ends an answer to a client; the engine of a test answers with the same class. */
function beforeSent(step: () => void): void {
  before(ServerResponse.prototype, "end", (response) => {
    if (!(response instanceof ServerResponse)) return;
    const { url, headers } = response.req;
    if (url === "/v1/chat/completions" && headers["x-forwarded-for"] === undefined) step();
  });
}

it("answers that come in one poll leave before any of them is counted", async () => {
  const { askAll } = await aGateway();
  const steps: string[] = [];
  beforeSent(() => steps.push("sent"));
  before(Exchange.prototype, "end", () => steps.push("counted"));
  expect(await askAll()).toBe(answers);
  expect(steps).toEqual(["sent", "sent", "sent", "counted", "counted", "counted"]);
});

it("a drain that ends within the poll does not break off whole answers", async () => {
  const { ingress, askAll } = await aGateway();
  let heads = 0;
  before(Exchange.prototype, "responseHead", () => {
    heads += 1;
    if (heads === answers) ingress.abort();
  });
  expect(await askAll()).toBe(answers - 1);
});

it("an answer that cannot be sent breaks off alone", async () => {
  const { askAll } = await aGateway();
  let sent = 0;
  beforeSent(() => {
    sent += 1;
    if (sent === 1) throw new Error("a bug");
  });
  expect(await askAll()).toBe(answers - 1);
});
