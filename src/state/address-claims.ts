import { drainOf, isLastResort } from "../core/endpoint.ts";
import {
  type EndpointSpec,
  hostPortOfSpec,
  identityOf,
  isOnlyKept,
  type RefusedSpec,
} from "./membership.ts";

/** Specs by identity, and those that lost their id or address to another one. */
export interface SettledClaims {
  readonly wanted: ReadonlyMap<string, EndpointSpec>;
  readonly refused: readonly RefusedSpec[];
}

/** True if the endpoint with this identity is in the pool already. */
type IsLive = (identity: string) => boolean;

/**
 * Gives each id and each `ip:port` to one spec, independently of the order of the list.
 *
 * A spec that takes requests takes precedence, then the younger one: an address that was reused
 * belongs to the pod that came later. A spec that could not be added to the pool (`isOnlyKept`)
 * never takes an address from one that could. Between two of these, the one in the pool stays.
 */
export function settledClaims(specs: readonly EndpointSpec[], isLive: IsLive): SettledClaims {
  const losers = losersAmong(clashingIn(specs), isLive);
  const wanted = new Map<string, EndpointSpec>();
  for (const [index, spec] of specs.entries()) {
    if (!losers.has(index)) wanted.set(identityOf(spec), spec);
  }
  const refused = [...losers]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([, loser]) => (isMoot(loser) ? [] : [loser]));
  return { wanted, refused };
}

/** Text for people why a spec was refused: `10.0.0.1:8000 belongs to n/b, which is younger`. */
export function refusalDetail({ spec, reason, holder }: RefusedSpec): string | undefined {
  if (holder === undefined) return undefined;
  const claimed = reason === "duplicate-id" ? spec.id : hostPortOfSpec(spec);
  const owner = reason === "duplicate-id" ? `the endpoint at ${hostPortOfSpec(holder)}` : holder.id;
  return `${claimed} belongs to ${owner}, which ${advantageOf(holder, spec)}`;
}

interface Claim {
  readonly spec: EndpointSpec;
  /** Position in the list. */
  readonly index: number;
}

/** The specs that share their id or address with another one; usually none. */
function clashingIn(specs: readonly EndpointSpec[]): readonly Claim[] {
  const ids = new Map<string, number>();
  const hostPorts = new Map<string, number>();
  for (const spec of specs) {
    const hostPort = hostPortOfSpec(spec);
    ids.set(spec.id, (ids.get(spec.id) ?? 0) + 1);
    hostPorts.set(hostPort, (hostPorts.get(hostPort) ?? 0) + 1);
  }
  if (ids.size === specs.length && hostPorts.size === specs.length) return [];
  return [...specs.entries()]
    .map(([index, spec]) => ({ spec, index }))
    .filter(({ spec }) => {
      const isShared = (ids.get(spec.id) ?? 0) > 1;
      return isShared || (hostPorts.get(hostPortOfSpec(spec)) ?? 0) > 1;
    });
}

/** Specs whose id or address is taken, by their position. */
function losersAmong(claims: readonly Claim[], isLive: IsLive): ReadonlyMap<number, RefusedSpec> {
  const ids = new Map<string, EndpointSpec>();
  const hostPorts = new Map<string, EndpointSpec>();
  const losers = new Map<number, RefusedSpec>();
  for (const { spec, index } of claims.toSorted(byPrecedence(isLive))) {
    const hostPort = hostPortOfSpec(spec);
    const holders = {
      "duplicate-id": ids.get(spec.id),
      "duplicate-address": hostPorts.get(hostPort),
    };
    const loss = lossOf(spec, holders);
    if (loss !== undefined) losers.set(index, loss);
    else {
      ids.set(spec.id, spec);
      hostPorts.set(hostPort, spec);
    }
  }
  return losers;
}

type Holders = Readonly<Record<"duplicate-id" | "duplicate-address", EndpointSpec | undefined>>;

/**
 * The claim that a spec lost, and the winner. A loss that matters (`isMoot`) takes precedence, then
 * the id over the address.
 */
function lossOf(spec: EndpointSpec, holders: Holders): RefusedSpec | undefined {
  const losses = (["duplicate-id", "duplicate-address"] as const).flatMap((reason) => {
    const holder = holders[reason];
    return holder === undefined ? [] : [{ spec, reason, holder }];
  });
  return losses.find((loss) => !isMoot(loss)) ?? losses[0];
}

/** True if neither spec could be added to the pool, so that the winner costs the loser nothing. */
function isMoot({ spec, holder }: RefusedSpec): boolean {
  return isOnlyKept(spec) && holder !== undefined && isOnlyKept(holder);
}

/** A total order of specs; the winner comes first. */
function byPrecedence(isLive: IsLive) {
  const rankOf = (spec: EndpointSpec) =>
    isOnlyKept(spec) && isLive(identityOf(spec)) ? standing.kept : standingOf(spec);
  return (a: Claim, b: Claim) =>
    rankOf(a.spec) - rankOf(b.spec) ||
    compare(bornAtMs(b.spec), bornAtMs(a.spec)) ||
    compare(a.spec.id, b.spec.id) ||
    compare(identityOf(a.spec), identityOf(b.spec)) ||
    a.index - b.index;
}

/** Ranks of a spec's claim; the lowest wins. */
const standing = { takes: 0, lastResort: 1, drained: 2, kept: 3, absent: 4 } as const;

function standingOf(spec: EndpointSpec): number {
  if (isOnlyKept(spec)) return standing.absent;
  if (drainOf(spec) === undefined) return standing.takes;
  return isLastResort(spec) ? standing.lastResort : standing.drained;
}

function advantageOf(holder: EndpointSpec, spec: EndpointSpec): string {
  if (standingOf(holder) !== standingOf(spec)) {
    if (drainOf(holder) === undefined) return "takes requests";
    return isOnlyKept(spec) ? "is ready" : "may take requests as a last resort";
  }
  return bornAtMs(holder) === bornAtMs(spec) ? "comes first by name" : "is younger";
}

/** A spec of unknown age counts as older than every other. */
function bornAtMs({ createdAtMs }: EndpointSpec): number {
  return createdAtMs ?? Number.NEGATIVE_INFINITY;
}

function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
