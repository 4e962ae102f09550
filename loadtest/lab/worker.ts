import { parentPort } from "node:worker_threads";
import { type Cell, runCell } from "./cells.ts";
import type { WorkerMessage } from "./jobs.ts";

// A thread of `runCells`: cells come as messages, one after another.
parentPort?.on("message", (cell: Cell) => void answer(cell));

async function answer(cell: Cell): Promise<void> {
  try {
    await runCell(cell, (result) => say({ kind: "result", result }));
    say({ kind: "done" });
  } catch (cause) {
    say({ kind: "failed", message: cause instanceof Error ? cause.message : String(cause) });
  }
}

function say(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}
