import { parse, stringify } from "yaml";
import { Crew } from "../../src/demo/crew.ts";
import { systemClock } from "../../src/std/clock.ts";
import { ownServeCommand } from "../reliability/stack.ts";
import { measuresOf as wallMeasuresOf } from "../routing/measures.ts";
import { endpointsFileMark, runOnce as runOnWallClock } from "../routing/run.ts";
import type { Conversation as WallConversation } from "../routing/workloads.ts";
import { model } from "../../src/replay/lab/answers.ts";
import { type Cell, planOfCell, warmUpMsOf } from "./cells.ts";
import { measuresOf } from "../../src/replay/lab/measures.ts";
import type { Conversation, PlannedTurn } from "../../src/replay/lab/conversation.ts";
import { policyOf } from "./policies.ts";
import { runOnce } from "../../src/replay/lab/run.ts";

/** Lateness of the load above which the machine is what is measured. */
const lateMsMax = 100;

/** The same requests in virtual time and on the wall clock. */
export interface Validated {
  readonly workload: string;
  readonly load: number;
  readonly policy: string;
  readonly virtual: WallSeconds;
  readonly wall: WallSeconds;
  /** Requests of the wall clock that failed. */
  readonly failed: number;
  readonly lateMsMost: number;
}

interface WallSeconds {
  readonly ttftMeanS: number;
  readonly ttftP90S: number;
}

/** Runs each cell in virtual time, then with the same engines in real time and `serve` over ext_proc. */
export async function validate(
  cells: readonly Cell[],
  say: (line: string) => void,
): Promise<readonly Validated[]> {
  const results: Validated[] = [];
  for (const cell of cells) {
    for (const policy of cell.policies) results.push(await validated(cell, policy, say));
  }
  return results;
}

async function validated(
  cell: Cell,
  policyName: string,
  say: (line: string) => void,
): Promise<Validated> {
  const { workload, load, seed, lengthMs } = cell;
  const policy = policyOf(policyName);
  const plan = planOfCell(cell);
  const warmUpMs = warmUpMsOf(cell);
  // On the wall clock an answer's text is not what the next prompt says it was.
  const setup = { ...cell.setup, cachesAnswers: false };
  const record = await runOnce({ plan, setup, policy, seed, endMs: lengthMs + cell.drainMs });
  const { ttftS } = measuresOf(record, setup, warmUpMs);
  say(`${workload} ${load}, ${policyName}: TTFT mean ${ttftS.mean.toFixed(3)} s in virtual time`);
  const crew = await Crew.open(systemClock);
  try {
    const wallRecord = await runOnWallClock(
      {
        engines: setup.engines,
        loraSeriesMax: 1,
        adapters: plan.adapters,
        plan: plan.conversations.map(wallConversationOf),
        command: ownServeCommand,
        document: documentWithPool(policy.document),
        say,
      },
      crew,
    );
    const wall = wallMeasuresOf(wallRecord, warmUpMs);
    say(
      `${workload} ${load}, ${policyName}: TTFT mean ${wall.ttftMeanS.toFixed(3)} s on the clock`,
    );
    const virtual = { ttftMeanS: ttftS.mean, ttftP90S: ttftS.p90 };
    const { failed, lateMsMost } = wall;
    return { workload, load, policy: policyName, virtual, wall, failed, lateMsMost };
  } finally {
    await crew.close(AbortSignal.abort());
  }
}

/** A table, with the ratios of virtual time to the wall clock. */
export function validationTable(results: readonly Validated[]): string {
  const head =
    "| workload | policy | mean TTFT s, virtual | wall clock | ratio | p90 | wall clock | ratio |";
  const rows = results.map(({ workload, load, policy, virtual, wall, failed, lateMsMost }) => {
    const cells = (["ttftMeanS", "ttftP90S"] as const).flatMap((name) => [
      virtual[name].toFixed(3),
      wall[name].toFixed(3),
      (virtual[name] / wall[name]).toFixed(3),
    ]);
    const notes = [
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(lateMsMost > lateMsMax ? [`sent up to ${Math.round(lateMsMost)} ms late`] : []),
    ].join(", ");
    return `| ${[`${workload} ${load}`, policy].concat(cells).join(" | ")} |${notes && ` ${notes}`}`;
  });
  return [head, `|${"---|".repeat(8)}`, ...rows].join("\n");
}

/** The document with the endpoints of a file, whose path the run fills in. */
export function documentWithPool(text: string): string {
  // The lab's scheduler has built it, so it is a document.
  const document = parse(text) as { plugins?: object[]; dataLayer?: object };
  const discovery = { type: "file-discovery", parameters: { path: endpointsFileMark } };
  return stringify({
    ...document,
    plugins: [...(document.plugins ?? []), discovery],
    dataLayer: { ...document.dataLayer, discovery: { pluginRef: "file-discovery" } },
  });
}

export function wallConversationOf({
  atMs,
  adapter = model,
  turns,
}: Conversation): WallConversation {
  return {
    atMs,
    turns: turns.map((turn) => ({ body: bodyOf(adapter, turn), thinkMs: turn.thinkMs })),
  };
}

function bodyOf(name: string, { prompt, outputTokens }: PlannedTurn): string {
  const content = prompt
    .parts()
    .map((part) => (part.kind === "text" ? part.text : ""))
    .join("");
  return JSON.stringify({
    model: name,
    messages: [{ role: "user", content }],
    max_tokens: outputTokens,
    stream: true,
    stream_options: { include_usage: true },
  });
}
