import type { EngineHead } from "../../src/data-plane/ingress/http/answer-headers.ts";
import { Attempt } from "../../src/data-plane/ingress/http/attempt.ts";
import type { HeaderLine } from "../../src/data-plane/ingress/http/client.ts";
import type { EngineRequest } from "../../src/data-plane/ingress/http/engine/engine-request.ts";
import type { EngineConnections } from "../../src/data-plane/ingress/http/engine-connections.ts";
import { type Clock, systemClock } from "../../src/std/clock.ts";

/** An answer as a client of engines tells it: the failure, or what it says. */
export type Told =
  | string
  | {
      readonly status: number;
      readonly lines: string[];
      readonly body: string;
      readonly trailers: string[];
    };

interface Asking {
  readonly connections: EngineConnections;
  readonly hostPort: string;
  readonly clock?: Pick<Clock, "nowMs" | "after">;
  /** Runs with each piece of the body. */
  readonly onChunk?: () => void;
}

/** Sends a request to an engine as the gateway does it. */
export function askEngine(request: EngineRequest, asking: Asking): Promise<Told> {
  const { connections, hostPort, clock = systemClock, onChunk } = asking;
  return new Promise((resolve) => {
    let head: EngineHead | undefined;
    let body = "";
    const sink = {
      answered: (answered: EngineHead) => {
        head = answered;
        return "taken" as const;
      },
      chunk: (chunk: Buffer) => {
        body += chunk.toString("latin1");
        onChunk?.();
        return true;
      },
      ended: (trailers: readonly HeaderLine[]) =>
        resolve({
          status: head?.httpStatus ?? 0,
          lines: head?.linesOfUpgrade() ?? [],
          body,
          trailers: trailers.flatMap(([name, value]) => [name.toLowerCase(), value]),
        }),
      switched: () => resolve("switched"),
      failed: (failure: string) => resolve(failure),
    };
    new Attempt({ connections, address: { hostPort }, clock, sink }, false).send(request);
  });
}
