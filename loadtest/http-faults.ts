import path from "node:path";
import { parseArgs } from "node:util";
import { Crew } from "../src/demo/crew.ts";
import { startSimulator } from "../src/simulator/simulator.ts";
import { systemClock } from "../src/std/clock.ts";
import { seededRandom } from "../src/std/random.ts";
import { freePort } from "../test/support/free-port.ts";
import { engineSettings, type Fault, faults } from "./http-faults/faults.ts";
import { type Load, runFault, type Stack } from "./http-faults/run.ts";
import { type Row, tableOf } from "./http-faults/table.ts";
import { runProgram, say } from "./run-program.ts";

const help = `Usage: node loadtest/http-faults.ts [options]

What clients of pointsman gateway see while simulated engines fail: each fault strikes one of the
engines, or all of them, while clients send streamed chats. Prints a table in Markdown with the
count of each outcome. Each row starts new engines and a new gateway. Loopback only.

  --fault NAME,...     ${faults.map(({ name }) => name).join(", ")} (default all)
  --mode NAME=FLAGS    flags of the gateway, may be repeated (default: "with retries=",
                       "without=--retries-max 0", "hedging=--hedge-after 250ms")
  --engines N          (default 4, at most 16)
  --clients N          each sends its next request after an answer (default 16, at most 256)
  --requests N         while the fault lasts (default 600, at most 10000)

A try may take a second (--try-timeout 1s): engines that hang cost that much.
`;

const { values } = parseArgs({
  options: {
    fault: { type: "string", default: faults.map(({ name }) => name).join(",") },
    mode: {
      type: "string",
      multiple: true,
      default: ["with retries=", "without=--retries-max 0", "hedging=--hedge-after 250ms"],
    },
    engines: { type: "string", default: "4" },
    clients: { type: "string", default: "16" },
    requests: { type: "string", default: "600" },
    help: { type: "boolean", default: false },
  },
});

const host = "127.0.0.1";

/** The flags of each row: a try must not take as long as it usually may. */
const usualFlags = ["--listen", `${host}:0`, "--try-timeout", "1s", "--v", "1"];

interface Mode {
  readonly name: string;
  readonly flags: readonly string[];
}

function modeOf(text: string): Mode {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`--mode ${text}: want NAME=FLAGS`);
  const flags = text.slice(at + 1).split(" ");
  return { name: text.slice(0, at), flags: flags.filter((flag) => flag !== "") };
}

function faultOf(name: string): Fault {
  const found = faults.find((fault) => fault.name === name);
  if (found === undefined) throw new Error(`--fault ${name}: unknown`);
  return found;
}

function countOf(name: "engines" | "clients" | "requests", max: number): number {
  const count = Number(values[name]);
  if (Number.isInteger(count) && count >= 1 && count <= max) return count;
  throw new Error(`--${name}: must be an integer from 1 to ${max}`);
}

async function rowOf(fault: Fault, mode: Mode, load: Load & { engines: number }): Promise<Row> {
  const simulator = await startSimulator(
    { engines: load.engines, host, port: 0, settings: engineSettings },
    { clock: systemClock, random: seededRandom(1) },
  );
  const crew = await Crew.open(systemClock);
  try {
    const metricsPort = await freePort();
    const engines = simulator.engines.map(({ port }) => `http://${host}:${port}`);
    const gateway = crew.start({
      name: "the gateway",
      program: process.execPath,
      argv: [
        ...[path.join(import.meta.dirname, "..", "src", "main.ts"), "gateway"],
        ...["--endpoints", engines.join(","), "--metrics-port", String(metricsPort)],
        ...usualFlags,
        ...mode.flags,
      ],
      env: { PATH: process.env["PATH"] },
    });
    const line = await Promise.race([gateway.line(/^gateway +http/), crew.death]);
    const [origin = ""] = /http:\/\/[\d.:]+/u.exec(line) ?? [];
    const stack: Stack = {
      origin,
      set: async (settings, isOfAll) => {
        const url = `http://${host}:${simulator.adminPort}/engines${isOfAll ? "" : "/engine-0"}`;
        const changed = await fetch(url, { method: "PATCH", body: JSON.stringify(settings) });
        if (!changed.ok) throw new Error(await changed.text());
      },
      metric: async (name) => {
        const page = await fetch(`http://${host}:${metricsPort}/metrics`);
        const samples = (await page.text()).matchAll(new RegExp(`^${name}(?:\\{.*)? (.*)$`, "gmu"));
        return [...samples].reduce((sum, [, value]) => sum + Number(value), 0);
      },
    };
    return { mode: mode.name, ...(await runFault(stack, fault, load)) };
  } finally {
    await crew.close(AbortSignal.abort());
    await simulator.close();
  }
}

async function main(): Promise<void> {
  if (values.help) return void process.stdout.write(help);
  const modes = values.mode.map(modeOf);
  const chosen = values.fault.split(",").map(faultOf);
  const load = {
    engines: countOf("engines", 16),
    clients: countOf("clients", 256),
    requests: countOf("requests", 10_000),
  };
  const rows: Row[] = [];
  for (const fault of chosen) {
    for (const mode of modes) {
      rows.push(await rowOf(fault, mode, load));
      say(`${fault.name}, ${mode.name}: ${JSON.stringify(rows.at(-1)?.counts)}`);
    }
  }
  process.stdout.write(`${tableOf(rows)}\n`);
}

await runProgram(main);
