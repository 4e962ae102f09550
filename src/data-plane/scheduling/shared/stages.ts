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

/** A stage that may run before decode, on a separate endpoint. */
export interface Stage {
  /** The scheduling profile that chooses its endpoint. */
  readonly profile: string;
  /** Decides for each request; undefined for a stage that always runs. */
  readonly decider: Decider | undefined;
}

/** The stages of a request; an undefined one never runs. */
export interface Stages {
  readonly decode: string;
  readonly prefill: Stage | undefined;
  readonly encode: Stage | undefined;
}

/**
 * Runs decode first, then encode and prefill if their deciders say so; both decide about the endpoint that was chosen
 * for decode.
 */
export function decodeFirst({ decode, prefill, encode }: Stages): ProfileHandler["next"] {
  return (context, _profileNames, profilesRun) => {
    const last = profilesRun.at(-1);
    if (last === undefined) return decode;
    const endpoint = context.chosen.get(decode)?.[0];
    // Without an endpoint for decode, the request is refused, so other stages need not run.
    if (endpoint === undefined || last === prefill?.profile) return undefined;
    const ahead = last === encode?.profile ? [prefill] : [encode, prefill];
    return ahead.find((stage) => isWanted(stage, context, endpoint))?.profile;
  };
}

/** Runs prefill first, then encode if its decider says so, then decode. */
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

/** The profile whose choice receives the request; undefined if it did not run. */
export function answerOf({ decode }: Stages): ProfileHandler["primary"] {
  return (profilesRun) => (profilesRun.includes(decode) ? decode : undefined);
}

/** The mistake in a document's profiles with respect to the stages; undefined if there is none. */
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

/** The profiles whose endpoints cache the prompt too. Encode is not one, because it processes only media. */
export function helpersOf({ prefill }: Stages): readonly string[] {
  return prefill === undefined ? [] : [prefill.profile];
}

/** Headers with the endpoints of the stages before decode; none for a stage that did not run. */
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

/** Sends a request to the first port of an address, with a header that names the endpoint's own port. */
export function dispatchToRank({ address, hostPort }: Endpoint, primaryPort: number): Dispatch {
  return {
    hostPort: hostPortOf(address, primaryPort),
    requestHeaders: [[headerTable.dataParallelRank.name, hostPort]],
  };
}
