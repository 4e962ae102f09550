import { afterEach, describe, expect, it } from "vitest";
import { exchanged, startScriptedEngine } from "#test/support/http-gateway.ts";
import { GrpcCollector } from "#test/support/otlp-receiver.ts";
import { type RigOptions, startRig } from "#test/support/rig.ts";
import { mistakesIn, spanNamed } from "#test/support/span-tree.ts";
import { eventually } from "#test/support/wait.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).toReversed()) await close();
});

const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
const sampled = `00-${trace}-00f067aa0ba902b7-01`;
const unsampled = `00-${trace}-00f067aa0ba902b7-00`;
const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const answer =
  '{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}';

/** A picker that traces, behind Envoy, in front of one engine. */
async function traced(options: Partial<RigOptions> & { readonly ratio?: string } = {}) {
  const collector = await GrpcCollector.start();
  opened.push(() => collector.close());
  const engine = await startScriptedEngine((_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(answer);
  });
  opened.push(engine.close);
  const rig = await startRig({
    engines: [{ address: "127.0.0.1", port: engine.port }],
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER_ARG: options.ratio ?? "0",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    },
    ...options,
  });
  opened.push(() => rig.close());
  const ask = async (lines: readonly string[]) => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
    const text = `${head}${lines.map((line) => `${line}\r\n`).join("")}\r\n${body}`;
    expect(await exchanged(Number(new URL(rig.url).port), text)).toMatch(/^HTTP\/1\.1 200 /u);
    const { rawHeaders = [] } = engine.seen.at(-1) ?? {};
    const values = (name: string) =>
      rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
    return { parents: values("traceparent"), states: values("tracestate") };
  };
  return { collector, rig, ask };
}

describe("behind Envoy", () => {
  it.each([
    ["original-dst", []],
    ["override-host", []],
    ["original-dst", ["--workers", "2"]],
    ["original-dst", ["--transport", "grpc-js"]],
  ] as const)("the engine joins the client's trace: %s, %j", async (routing, flags) => {
    const { collector, rig, ask } = await traced({ routing, flags });
    const seen = await ask([`traceparent: ${sampled}`, "tracestate: vendor=1"]);
    const spans = await eventually("the spans", () =>
      collector.spans.length > 0 ? collector.spans : undefined,
    );
    expect(mistakesIn(spans)).toEqual([]);
    const attempt = spanNamed(spans, "engine.request");
    expect(seen).toEqual({
      parents: [`00-${trace}-${attempt.id}-01`],
      states: ["vendor=1"],
    });
    const request = spanNamed(spans, "gateway.request");
    expect(request).toMatchObject({ parentId: "00f067aa0ba902b7", traceId: trace });
    expect(request.attributes).toMatchObject({ "gen_ai.usage.output_tokens": 3 });
    await eventually("the line of the log", () =>
      rig.requestLog().find(({ traceId }) => traceId === trace),
    );
  });

  it("the headers of a request that is not sampled stay as they are", async () => {
    const { collector, ask, rig } = await traced();
    expect(await ask([`traceparent: ${unsampled}`, "tracestate: vendor=1"])).toEqual({
      parents: [unsampled],
      states: ["vendor=1"],
    });
    expect(await ask([])).toEqual({ parents: [], states: [] });
    await rig.close();
    expect(collector.calls).toBe(0);
  });

  it("a trace that is not valid does not go on", async () => {
    const { ask } = await traced({ ratio: "1" });
    const another = expect.stringMatching(
      new RegExp(`^00-(?!${trace})[\\da-f]{32}-[\\da-f]{16}-01$`, "u"),
    );
    for (const lines of [
      [`traceparent: ${sampled}`, `traceparent: ${sampled}`, "tracestate: vendor=1"],
      [`traceparent: ${sampled.toUpperCase()}`, "tracestate: vendor=1"],
      ["tracestate: vendor=1"],
      [],
    ]) {
      expect(await ask(lines)).toEqual({ parents: [another], states: [] });
    }
  });
});
