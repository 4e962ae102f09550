import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { crdFiles } from "../test/components/crds.ts";
import { type Child, start } from "../test/support/child.ts";
import { ExtProcClient } from "../test/support/ext-proc-client.ts";
import { checkHealth } from "../test/support/health-client.ts";
import type { KubeObject } from "../test/support/kube/client.ts";
import { type ControlPlane, startControlPlane } from "../test/support/kube/control-plane.ts";
import {
  createNetworkNamespace,
  type NetworkNamespace,
} from "../test/support/kube/network-namespace.ts";
import { aNamespace, anInferencePool, aPod } from "../test/support/kube/objects.ts";
import { asPod } from "../test/support/kube/pod-mount.ts";
import { eventually } from "../test/support/wait.ts";
import { cpuMsOf } from "./ext-proc-exchange.ts";

const { values } = parseArgs({
  options: {
    pods: { type: "string", default: "1000" },
    changes: { type: "string", default: "200" },
    "update-rate": { type: "string", default: "50" },
    seconds: { type: "string", default: "20" },
    rounds: { type: "string", default: "1" },
    "serve-command": { type: "string", multiple: true, default: [""] },
    help: { type: "boolean", default: false },
  },
});

const help = `Usage: node loadtest/cluster.ts [options]

How a picker keeps in step with a real API server, in a network namespace of its own (Linux, root):
from its start to its readiness with a pool of many pods, resident memory, CPU while nothing changes
and while pods change their status, and the time from such a change to the first decision that
knows it. Prints a JSON line for each picker and round; pickers take turns.

  --pods N             pods of the pool (default 1000)
  --changes N          changes of status that are timed (default 200)
  --update-rate N      pod updates a second while CPU is measured (default 50)
  --seconds N          for which CPU is measured, twice (default 20)
  --rounds N           times that everything is done (default 1)
  --serve-command CMD  a picker, to which flags of serve are added; several times for several,
                       empty for this checkout's serve (default: that alone)
`;

const podCount = Number(values.pods);
const namespace = "load";
const selector = { app: "vllm" };
const enginePort = 8_000;
/** The network is the program's own: nobody else listens there. */
const ports = { grpc: 9_002, health: 9_003, metrics: 9_090 };
const poolName = "llama";
/** Calls to the API server at a time while pods are made. */
const callsAtOnce = 16;

/** Lets a request say which pod it wants: how a decision shows whether it knows of a pod. */
const document = JSON.stringify({
  apiVersion: "llm-d.ai/v1alpha1",
  kind: "EndpointPickerConfig",
  plugins: [
    { type: "header-based-testing-filter" },
    { type: "queue-scorer" },
    { type: "kv-cache-utilization-scorer" },
    { type: "prefix-cache-scorer" },
  ],
  schedulingProfiles: [
    {
      name: "default",
      plugins: [
        { pluginRef: "header-based-testing-filter" },
        { pluginRef: "queue-scorer", weight: 2 },
        { pluginRef: "kv-cache-utilization-scorer", weight: 2 },
        { pluginRef: "prefix-cache-scorer", weight: 3 },
      ],
    },
  ],
});

const nameOf = (index: number) => `p${index}`;
const addressOf = (index: number) => `127.4.${index >> 8}.${index & 255}`;

async function main(): Promise<void> {
  const network = createNetworkNamespace();
  const children: Child[] = [];
  let plane: ControlPlane | undefined;
  try {
    plane = await startControlPlane({ namespace: network });
    const engine = [process.execPath, "test/support/kube/idle-engine.ts", String(enginePort)];
    children.push(startLine(network.command(engine)));
    await makePool(plane);
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const command of values["serve-command"]) {
        process.stdout.write(`${JSON.stringify(await measure(command, { network, plane }))}\n`);
      }
    }
  } finally {
    await Promise.all(children.map((child) => child.close()));
    await plane?.close();
    network.close();
  }
}

async function makePool({ client }: ControlPlane): Promise<void> {
  const { inferencePool } = await crdFiles(() => undefined);
  await client.applyCrds(inferencePool);
  await client.apply(aNamespace(namespace));
  await client.apply(anInferencePool({ name: poolName, namespace, selector, ports: [enginePort] }));
  let next = 0;
  const make = async () => {
    while (next < podCount) {
      const index = next;
      next += 1;
      await client.apply(
        aPod({ name: nameOf(index), namespace, labels: selector, ip: addressOf(index) }),
      );
    }
  };
  await Promise.all(Array.from({ length: callsAtOnce }, make));
}

interface Rig {
  readonly network: NetworkNamespace;
  readonly plane: ControlPlane;
}

async function measure(command: string, { network, plane }: Rig): Promise<object> {
  const own = [process.execPath, "src/main.ts", "serve", "--bind-address", network.address];
  const { line, env } = asPod(plane, { network, token: plane.adminToken }, [
    ...(command === "" ? [...own, "--enable-conformance-plugins"] : command.split(" ")),
    ...["--pool-name", poolName, "--pool-namespace", namespace],
    ...["--config-text", document, "--secure-serving=false", "--metrics-endpoint-auth=false"],
    ...["--grpc-port", String(ports.grpc), "--grpc-health-port", String(ports.health)],
    ...["--metrics-port", String(ports.metrics), "--v", "1"],
  ]);
  const startMs = performance.now();
  const picker = startLine(line, env);
  try {
    await becomesReady(picker, network);
    const readyMs = performance.now() - startMs;
    const answered = await firstOfAll(network);
    const allMs = performance.now() - startMs;
    await sleep(10_000);
    const residentMb = residentMbOf(picker.pid);
    const idlePercent = await share(picker.pid, sleep(Number(values.seconds) * 1_000));
    const updatingPercent = await share(picker.pid, update(plane));
    const afterMb = residentMbOf(picker.pid);
    const latencies = await latenciesMs(plane, network);
    return {
      picker: command === "" ? "pointsman" : (command.split(" ")[0]?.split("/").at(-1) ?? command),
      pods: podCount,
      readyMs: Math.round(readyMs),
      allPodsMs: Math.round(allMs),
      answered,
      residentMb,
      residentAfterMb: afterMb,
      idlePercent,
      updatingPercent,
      ...latencies,
    };
  } finally {
    await picker.close();
  }
}

function startLine([program = "", ...argv]: readonly string[], env = {}): Child {
  return start(program, argv, env);
}

async function becomesReady(picker: Child, { address }: NetworkNamespace): Promise<void> {
  const ready = eventually(
    "the picker is ready",
    async () =>
      (await checkHealth(ports.health, "readiness", address)) === "SERVING" ? true : undefined,
    120_000,
  );
  const died = picker.ended.then((code) => {
    throw new Error(`the picker ended with ${code}:\n${picker.output().slice(-2_000)}`);
  });
  await Promise.race([ready, died]);
}

/** Until a decision can choose the last pod. */
async function firstOfAll(network: NetworkNamespace): Promise<boolean> {
  const client = new ExtProcClient(ports.grpc, network.address);
  try {
    return await eventually("the last pod is known", async () =>
      (await knows(client, podCount - 1)) ? true : undefined,
    );
  } finally {
    client.close();
  }
}

/** Whether a decision made now has the pod among its candidates. */
async function knows(client: ExtProcClient, index: number): Promise<boolean> {
  const picked = await client.run({
    headers: { "test-epp-endpoint-selection": addressOf(index) },
    body: '{"model":"m","prompt":"hello"}',
  });
  return picked.refused === undefined;
}

function setReady({ client }: ControlPlane, index: number, isReady: boolean): Promise<KubeObject> {
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  const pod = aPod({ name: nameOf(index), namespace });
  return client.patch(pod, { status: { conditions } }, "status");
}

/** Status changes of pods at the asked rate, spread evenly. */
async function update(plane: ControlPlane): Promise<void> {
  const rate = Number(values["update-rate"]);
  const total = rate * Number(values.seconds);
  const startMs = performance.now();
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < total; index += 1) {
    const dueMs = startMs + (index * 1_000) / rate;
    await sleep(Math.max(0, dueMs - performance.now()));
    // Two turns for each pod, so that all are ready in the end.
    calls.push(setReady(plane, Math.floor(index / 2) % podCount, index % 2 === 1));
  }
  await Promise.all(calls);
}

/** From asking for a change to the first answer of a decision that knows it. */
async function latenciesMs(plane: ControlPlane, network: NetworkNamespace): Promise<object> {
  const client = new ExtProcClient(ports.grpc, network.address);
  const latencies: number[] = [];
  try {
    for (let change = 0; change < Number(values.changes); change += 1) {
      const index = Math.floor(change / 2) % podCount;
      const isReady = change % 2 === 1;
      const startMs = performance.now();
      const changed = setReady(plane, index, isReady);
      await noticed(client, index, isReady);
      latencies.push(performance.now() - startMs);
      await changed;
      await sleep(20 + Math.random() * 60);
    }
  } finally {
    client.close();
  }
  latencies.sort((a, b) => a - b);
  const at = (quantile: number) =>
    Math.round((latencies[Math.ceil(latencies.length * quantile) - 1] ?? Number.NaN) * 10) / 10;
  return { changes: latencies.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

async function noticed(client: ExtProcClient, index: number, isReady: boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while ((await knows(client, index)) !== isReady) {
    if (performance.now() > endMs) throw new Error("a change was never noticed");
  }
}

/** Percent of a core that a process uses meanwhile. */
async function share(pid: number, meanwhile: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  const cpuMs = cpuMsOf(pid);
  await meanwhile;
  return Math.round((1_000 * (cpuMsOf(pid) - cpuMs)) / (performance.now() - startMs)) / 10;
}

function residentMbOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_000);
}

if (values.help) process.stdout.write(help);
else await main();
