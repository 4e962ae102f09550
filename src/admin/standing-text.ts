import type { HealthState } from "../core/health-settings.ts";

/** The facts about an endpoint that decide if it takes requests. */
export interface ShownStanding {
  readonly health: HealthState | { readonly phase: "draining"; readonly reason: string };
  readonly scrape: {
    readonly state: string;
    readonly failures: Readonly<Record<string, number>>;
  };
  readonly takesRequests: boolean;
}

/** The standing in words. `ready` is said only of an endpoint whose metrics can be read, or have not been asked for yet. */
export function standingTextOf({ health, scrape, takesRequests }: ShownStanding): string {
  const reason = health.reason === undefined ? "" : ` (${health.reason})`;
  const lastResort = health.phase === "draining" && takesRequests ? ", last resort" : "";
  const phase = `${health.phase}${reason}${lastResort}`;
  if (scrape.state !== "failing") return phase;
  const kinds = Object.entries(scrape.failures).map(([kind, count]) => `${kind} ${count}`);
  const blind = kinds.length === 0 ? "no metrics" : `no metrics (${kinds.join(", ")})`;
  return health.phase === "ready" ? blind : `${phase}, ${blind}`;
}
