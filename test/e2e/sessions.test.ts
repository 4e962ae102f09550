import { describe, expect, it } from "vitest";
import type { ScriptedEngine } from "#test/support/scripted-engine.ts";
import { scriptedRigs } from "#test/support/rig-fixture.ts";

const rigs = scriptedRigs();

/** A filter, so that an engine shows whether a session was recognized; the picker draws the first engine. */
const scheduling = `- type: session-affinity-filter
  parameters:
    strategy: session_id
    sessionIdConfig: {sources: [{attribute: session-id, producer: conversation-producer}]}
- type: stored-response-filter
- type: random-picker
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: stored-response-filter}
  - {pluginRef: session-affinity-filter}
  - {pluginRef: random-picker}
`;

/** A rig before engines that answer chats, and store responses each in its own memory, as vLLM does. */
async function aRig(count: number): Promise<string> {
  let responses = 0;
  await rigs.startEngines(count, () => {
    const stored = new Set<string>();
    return ({ path, body }, response) => {
      const asked = body.length === 0 ? {} : (JSON.parse(body.toString()) as Asked);
      const named = asked.previous_response_id ?? /resp_\d+/u.exec(path)?.[0];
      const isKnown = named === undefined || stored.has(named);
      const id = `resp_${(responses += 1)}`;
      stored.add(id);
      response.writeHead(isKnown ? 200 : 404, {
        "content-type": asked.stream === true ? "text/event-stream" : "application/json",
      });
      const answer = { id, object: "response", status: "completed" };
      response.end(
        asked.stream === true
          ? `event: response.created\ndata: ${JSON.stringify({ type: "response.created", response: answer })}\n\n` +
              `event: response.completed\ndata: ${JSON.stringify({ type: "response.completed", response: answer })}\n\n`
          : JSON.stringify(answer),
      );
    };
  });
  const { url } = await rigs.start({ scheduling, apiVersion: "pointsman.dev/v1alpha1" });
  return url;
}

interface Asked {
  readonly previous_response_id?: string;
  readonly stream?: boolean;
}

interface Sending {
  readonly sender?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Posts a body; the status and the id of the answer. */
async function post(
  target: string,
  body: object,
  { sender = "alice", headers = {} }: Sending = {},
): Promise<{ readonly status: number; readonly id: string }> {
  const response = await fetch(target, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${sender}`,
      ...headers,
    },
    body: JSON.stringify({ model: "m", ...body }),
  });
  return { status: response.status, id: /resp_\d+/u.exec(await response.text())?.[0] ?? "" };
}

/** Indexes of the engines that got a request with this text. */
function enginesWith(text: string): readonly number[] {
  return rigs
    .engines()
    .flatMap(({ seen }: ScriptedEngine, index) =>
      seen.some(({ body }) => body.includes(text)) ? [index] : [],
    );
}

const common = "You are an agent. ".repeat(500);

/** The chat of an agent after some turns; agents share instructions, and each has its own task. */
function agentChat(agent: number, turns: number) {
  const later = Array.from({ length: turns }, (_, turn) => [
    { role: "assistant", content: `I call a tool ${turn}.` },
    { role: "user", content: `It printed ${turn}.` },
  ]);
  return {
    messages: [
      { role: "system", content: common },
      { role: "user", content: `Do task ${agent}!` },
      ...later.flat(),
    ],
  };
}

describe("sessions behind Envoy", () => {
  it("keep each of many agents without a key at its engine while its context grows", async () => {
    const url = await aRig(4);
    const agents = Array.from({ length: 12 }, (_, agent) => agent);
    for (let turns = 0; turns < 6; turns += 1) {
      for (const agent of agents) {
        const { status } = await post(`${url}/v1/chat/completions`, agentChat(agent, turns));
        expect(status).toBe(200);
      }
    }
    const homes = agents.map((agent) => enginesWith(`Do task ${agent}!`));
    expect(homes.filter((engines) => engines.length !== 1)).toEqual([]);
    // Their engines were drawn: 12 of 12 at one of 4 is one case in 4 million.
    expect(new Set(homes.flat()).size).toBeGreaterThan(1);
  });

  it("give a stranger who guesses a key no affinity", async () => {
    const url = await aRig(8);
    const headers = { "x-session-id": "s1" };
    const ask = (content: string, sender: string) =>
      post(
        `${url}/v1/chat/completions`,
        { messages: [{ role: "user", content }] },
        { sender, headers },
      );
    for (let turn = 0; turn < 8; turn += 1) await ask(`alice ${turn}`, "alice");
    for (let guess = 0; guess < 8; guess += 1) await ask(`mallory ${guess}`, `mallory-${guess}`);
    expect(enginesWith("alice")).toHaveLength(1);
    // Each of 8 strangers draws one of 8 engines.
    expect(enginesWith("mallory").length).toBeGreaterThan(1);
  });

  it.each([false, true])(
    "send what continues a stored response to the engine that has it, streaming %s",
    async (stream) => {
      const url = await aRig(8);
      const ask = (body: object) => post(`${url}/v1/responses`, { stream, ...body });
      let { id } = await ask({ input: "first" });
      for (let turn = 0; turn < 10; turn += 1) {
        const next = await ask({ input: `turn ${turn}`, previous_response_id: id });
        expect(next.status).toBe(200);
        ({ id } = next);
      }
      const read = await fetch(`${url}/v1/responses/${id}`, {
        headers: { authorization: "Bearer alice" },
      });
      expect(read.status).toBe(200);
    },
  );
});
