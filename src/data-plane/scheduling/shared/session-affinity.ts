import { z } from "zod";
import { identityCharactersMax } from "../../../core/client-values.ts";
import { headerTable } from "../../../core/headers.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PluginNeed } from "../../../core/plugin.ts";
import type { ResponseHead } from "../../../core/request-follower.ts";
import type {
  DataReader,
  PluginDeps,
  RequestHooks,
  SchedulingContext,
  SentRequest,
} from "../../../core/data-plane-plugin.ts";
import { recalled } from "../../../core/recalls.ts";
import { headerNameParam } from "./header-name-param.ts";
import { sessionMemory } from "./session-table.ts";

const tokenHeader = headerTable.sessionToken.name;
const idHeader = headerTable.sessionId.name;
const ttlSecondsDefault = 300;
const sweepSecondsDefault = 10;
/** From this status on, the engine failed or was not reached. */
const failedStatus = 500;
/** The producer of the attribute of the same name, which documents name without a producer. */
const agentIdentity = "agent-identity";

const source = z
  .strictObject({
    header: headerNameParam.optional().meta({ description: "Header with the session id." }),
    attribute: z.string().optional().meta({
      description:
        "Attribute with the session id that a producer read from the request, instead of a header.",
    }),
    producer: z.string().optional().meta({
      description: "Producer of the attribute, such as session-id-producer.",
    }),
  })
  .refine(({ header = "", attribute = "" }) => (header === "") !== (attribute === ""), {
    message: "want exactly one of header and attribute",
  });

type Source = z.infer<typeof source>;

/** Parameters of the session-affinity scorer and filter. */
export const sessionAffinityParams = z.strictObject({
  strategy: z
    .enum(["encoded_endpoint_header", "session_id"])
    .default("encoded_endpoint_header")
    .meta({
      description:
        "How sessions are recognized. `encoded_endpoint_header`: the response carries a token that names the endpoint, and the client sends it with its next request; the picker keeps no state. `session_id`: the client sends its own id, and the picker remembers the endpoint of each id.",
      tune: "Use session_id if clients have an id but cannot return a response header. Each of several pickers remembers only its own sessions.",
    }),
  encodedEndpointHeaderConfig: z
    .strictObject({
      header: headerNameParam.default(tokenHeader).meta({
        description: "Header with the token, in requests and responses.",
        tune: "Give each plugin its own header if two of them pin different profiles.",
      }),
    })
    .prefault({})
    .meta({ description: "Settings of the strategy encoded_endpoint_header." }),
  sessionIdConfig: z
    .strictObject({
      sources: z
        .array(source)
        .default([])
        .meta({
          description: `Places to look for the session id; the first match is used. Default the header ${idHeader}.`,
        }),
      evictionTtlSeconds: z
        .number()
        .min(0)
        .default(ttlSecondsDefault)
        .meta({
          unit: "s",
          description: `Idle time after which a session is forgotten; 0 for ${ttlSecondsDefault}.`,
          tune: "Set it longer than the pauses within a conversation, but shorter than engines keep it cached.",
        }),
      evictionSweepSeconds: z.number().min(0).default(sweepSecondsDefault).meta({
        unit: "s",
        description: "Accepted but has no effect: sessions expire without sweeps.",
      }),
    })
    .prefault({})
    .meta({ description: "Settings of the strategy session_id." }),
  profileName: z.string().default("").meta({
    description:
      "Scheduling profile whose choice is pinned; empty for the profile that serves the request.",
    tune: "If requests are split into stages, set it in the plugin of the prefill profile to that profile's name.",
  }),
});

export type SessionAffinityParams = z.infer<typeof sessionAffinityParams>;

/** The assignment of sessions to endpoints. */
export interface SessionAffinity {
  /** Id of the session's endpoint; undefined if the request has no session, or the session no endpoint. */
  readonly pinnedId: (context: SchedulingContext) => string | undefined;
  /** Stores the choice, or sends it to the client. */
  readonly hooks: RequestHooks;
}

/** Needs for the producers that the sources of session ids name. */
export function sessionAffinityNeeds({
  strategy,
  sessionIdConfig,
}: SessionAffinityParams): readonly PluginNeed[] {
  if (strategy !== "session_id") return [];
  return sessionIdConfig.sources.flatMap((each, index): PluginNeed[] => {
    if (!isAttribute(each)) return [];
    const path = ["sessionIdConfig", "sources", index, "producer"];
    // Without a producer's name, the attribute of any producer is used, and there may be none.
    const isOptional = (each.producer ?? "") === "";
    return [{ kind: "data", data: "session-id", producer: producerOf(each), path, isOptional }];
  });
}

export function sessionAffinity(params: SessionAffinityParams, deps: PluginDeps): SessionAffinity {
  const { pinnedId, hooks } =
    params.strategy === "session_id" ? bySessionId(params, deps) : byToken(params);
  return { pinnedId: (context) => recalledId(context, deps.name, pinnedId), hooks };
}

function recalledId(
  context: SchedulingContext,
  key: string,
  pinnedId: SessionAffinity["pinnedId"],
): string | undefined {
  if (context.recalls === undefined) return pinnedId(context);
  return recalled(context, key, () => {
    const pinned = pinnedId(context);
    // A client may send anything as a token, and an id of no endpoint pins nothing.
    return context.endpoints.some(({ id }) => id === pinned) ? pinned : undefined;
  });
}

/**
 * The token is base64("namespace/name"). It names the endpoint that served the request if the proxy reports it, else
 * the first choice. A response of status 500 or more has no token, so that no session begins at a failing endpoint.
 */
function byToken({
  encodedEndpointHeaderConfig,
  profileName,
}: SessionAffinityParams): SessionAffinity {
  const header = encodedEndpointHeaderConfig.header || tokenHeader;
  return {
    pinnedId: ({ request }) => {
      const token = request.head.headers.get(header);
      // Node skips bytes that are not base64; the result then names no endpoint.
      return token === undefined ? undefined : Buffer.from(token, "base64").toString();
    },
    hooks: {
      sent: (sent) => ({
        responseHeaders: (head) => {
          if ((head.httpStatus ?? 0) >= failedStatus) return [];
          const served = servedEndpointOf(sent, head, profileName);
          if (served === undefined) return [];
          return [[header, Buffer.from(served.id).toString("base64")]];
        },
      }),
    },
  };
}

/** A session moves only if its endpoint has left the pool, even if other endpoints served its requests. */
function bySessionId(
  { sessionIdConfig: { sources, evictionTtlSeconds }, profileName }: SessionAffinityParams,
  deps: PluginDeps,
): SessionAffinity {
  const ttlMs = (evictionTtlSeconds || ttlSecondsDefault) * 1_000;
  const sessions = deps.memory(sessionMemory, { ttlMs });
  const readers = (sources.length === 0 ? [{ header: idHeader }] : sources).map((each) =>
    sessionReader(each, deps),
  );
  const sessionOf = (context: SchedulingContext) => {
    for (const read of readers) {
      const id = read(context)?.trim() ?? "";
      if (id !== "" && id.length <= identityCharactersMax) return id;
    }
    return undefined;
  };
  return {
    pinnedId: (context) => {
      const session = sessionOf(context);
      return session === undefined ? undefined : sessions.get(session, context.nowMs);
    },
    hooks: {
      sent: (sent) => {
        const { context } = sent;
        const session = sessionOf(context);
        const chosen = chosenEndpointOf(sent, profileName);
        if (session === undefined || chosen === undefined) return undefined;
        const pinned = sessions.get(session, context.nowMs);
        if (pinned === undefined || !context.endpoints.some(({ id }) => id === pinned)) {
          sessions.set(session, chosen.id, context.nowMs);
        }
        return undefined;
      },
    },
  };
}

function sessionReader(each: Source, deps: PluginDeps): DataReader<"session-id"> {
  if (isAttribute(each)) return deps.reader("session-id", producerOf(each));
  const { header = idHeader } = each;
  return ({ request }) => request.head.headers.get(header);
}

function isAttribute({ attribute = "" }: Source): boolean {
  return attribute !== "";
}

function producerOf({ attribute, producer }: Source): string | undefined {
  if (producer !== undefined && producer !== "") return producer;
  return attribute === agentIdentity ? agentIdentity : undefined;
}

/** The choice of the pinned profile; undefined if it did not run. */
function chosenEndpointOf({ decision }: SentRequest, profileName: string): Endpoint | undefined {
  return profileName === "" || profileName === decision.profile
    ? decision.targets[0].endpoint
    : decision.chosen.get(profileName)?.[0];
}

/** The choice of the pinned profile, or the fallback that the proxy used in its place. */
function servedEndpointOf(
  sent: SentRequest,
  { servedBy }: ResponseHead,
  profileName: string,
): Endpoint | undefined {
  const chosen = chosenEndpointOf(sent, profileName);
  const { targets } = sent.decision;
  if (servedBy === undefined || chosen !== targets[0].endpoint) return chosen;
  return targets.find(({ hostPort }) => hostPort === servedBy)?.endpoint ?? chosen;
}
