import type { Endpoint } from "../../../core/endpoint.ts";
import { hostPortOf } from "../../../std/host-port.ts";
import { headerTable } from "../../../core/headers.ts";
import type { HeaderPair } from "../../../core/request.ts";
import type {
  Decider,
  Dispatch,
  ProfileHandler,
  SchedulingContext,
} from "../../../core/data-plane-plugin.ts";

/** A stage that may run ahead of decode, on an endpoint of its own. */
export interface Stage {
  /** The scheduling profile that chooses its endpoint. */
  readonly profile: string;
  /** Decides by request; undefined for a stage that always runs. */
  readonly decider: Decider | undefined;
}

/** The stages of a request; one that is undefined is never run. */
export interface Stages {
  readonly decode: string;
  readonly prefill: Stage | undefined;
  readonly encode: Stage | undefined;
}

/**
 * Decode is chosen first, then encode and prefill where their deciders say so; both are asked about
 * the endpoint that was chosen for decode.
 */
export function decodeFirst({ decode, prefill, encode }: Stages): ProfileHandler["next"] {
  return (context, _profileNames, profilesRun) => {
    const last = profilesRun.at(-1);
    if (last === undefined) return decode;
    const endpoint = context.chosen.get(decode)?.[0];
    // Without an endpoint for decode the request is refused, whatever else could be found.
    if (endpoint === undefined || last === prefill?.profile) return undefined;
    const ahead = last === encode?.profile ? [prefill] : [encode, prefill];
    return ahead.find((stage) => isWanted(stage, context, endpoint))?.profile;
  };
}

/** Prefill is chosen first, then encode where its decider says so, then decode. */
export function prefillFirst({ decode, prefill, encode }: Stages): ProfileHandler["next"] {
  return (context, _profileNames, profilesRun) => {
    const last = profilesRun.at(-1);
    if (last === decode) return undefined;
    if (last === undefined && prefill !== undefined) return prefill.profile;
    if (last === encode?.profile) return decode;
    const endpoint = prefill && context.chosen.get(prefill.profile)?.[0];
    return encode !== undefined && isWanted(encode, context, endpoint) ? encode.profile : decode;
  };
}

function isWanted(
  stage: Stage | undefined,
  context: SchedulingContext,
  endpoint: Endpoint | undefined,
): boolean {
  return stage !== undefined && (stage.decider?.decide(context, endpoint) ?? true);
}

/** The profile whose choice answers the request, once it ran. */
export function answerOf({ decode }: Stages): ProfileHandler["primary"] {
  return (profilesRun) => (profilesRun.includes(decode) ? decode : undefined);
}

/** What the stages have against a document's profiles. */
export function mistakeInProfiles(
  type: string,
  stages: Stages,
  profileNames: readonly string[],
): string | undefined {
  const ahead = [stages.prefill, stages.encode].flatMap((stage) => stage?.profile ?? []);
  const wanted = [stages.decode, ...ahead];
  const twice = wanted.find((name, index) => wanted.indexOf(name) !== index);
  if (twice !== undefined) {
    return `${type} needs a separate profile for each stage, but ${twice} is named for two`;
  }
  const missing = wanted.filter((name) => !profileNames.includes(name));
  if (missing.length === 0) return undefined;
  const there = profileNames.join(", ") || "none";
  return `${type} needs the scheduling profile ${missing.join(" and ")}; there are: ${there}`;
}

/** The profiles whose endpoints come to hold the prompt too: one that encodes holds only its media. */
export function helpersOf({ prefill }: Stages): readonly string[] {
  return prefill === undefined ? [] : [prefill.profile];
}

/** The headers that say who works on the request ahead of decode; nothing for a stage without. */
export function stageHeaders(
  { chosen }: SchedulingContext,
  { prefill, encode }: Stages,
): readonly HeaderPair[] {
  const pairs: HeaderPair[] = [];
  for (const [{ name }, stage] of [
    [headerTable.prefiller, prefill],
    [headerTable.encoders, encode],
  ] as const) {
    const endpoints = stage && chosen.get(stage.profile);
    if (endpoints === undefined) continue;
    pairs.push([name, endpoints.map(({ hostPort }) => hostPort).join(",")]);
  }
  return pairs;
}

/** Sends a request to the first port of an address, and says in a header which port is meant. */
export function dispatchToRank({ address, hostPort }: Endpoint, primaryPort: number): Dispatch {
  return {
    hostPort: hostPortOf(address, primaryPort),
    requestHeaders: [[headerTable.dataParallelRank.name, hostPort]],
  };
}
