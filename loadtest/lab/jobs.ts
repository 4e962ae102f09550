import { Worker } from "node:worker_threads";
import { type Cell, type CellResult, runCell } from "./cells.ts";

/** What a worker says of the cell that it was given. */
export type WorkerMessage =
  | { readonly kind: "result"; readonly result: CellResult }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Runs cells, `jobs` at a time, each of them on a thread of its own unless it is one. Results are in order of the
 * cells, whichever ends first; `onResult` hears each at once.
 */
export async function runCells(
  cells: readonly Cell[],
  jobs: number,
  onResult: (result: CellResult) => void,
): Promise<readonly CellResult[]> {
  const results: CellResult[][] = cells.map(() => []);
  const pending = [...cells.entries()].toReversed();
  const hear = (index: number) => (result: CellResult) => {
    results[index]?.push(result);
    onResult(result);
  };
  if (jobs === 1) {
    for (const [index, cell] of cells.entries()) await runCell(cell, hear(index));
    return results.flat();
  }
  const workers = Array.from({ length: Math.min(jobs, cells.length) }, () => startWorker());
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
          const [index, cell] = next;
          await runOn(worker, cell, hear(index));
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results.flat();
}

function startWorker(): Worker {
  return new Worker(new URL("worker.ts", import.meta.url));
}

function runOn(worker: Worker, cell: Cell, onResult: (result: CellResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const hear = (message: WorkerMessage) => {
      if (message.kind === "result") return onResult(message.result);
      stop();
      if (message.kind === "done") resolve();
      else reject(new Error(message.message));
    };
    const fail = (cause: Error) => {
      stop();
      reject(cause);
    };
    const stop = () => {
      worker.off("message", hear);
      worker.off("error", fail);
    };
    worker.on("message", hear);
    worker.on("error", fail);
    worker.postMessage(cell);
  });
}
