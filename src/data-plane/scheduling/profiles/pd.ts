import { z } from "zod";
import {
  type Decider,
  type PluginDeps,
  profileHandlerPlugin,
} from "../../../core/data-plane-plugin.ts";
import { prefillThreshold } from "../shared/prefill-threshold.ts";
import {
  answerOf,
  decodeFirst,
  dispatchToRank,
  helpersOf,
  mistakeInProfiles,
  stageHeaders,
  type Stages,
} from "../shared/stages.ts";

const type = "pd-profile-handler";
const defaultDecider = "prefix-based-pd-decider";
/** Characters of the old threshold per token, as in KServe's migration. */
const charactersPerToken = 4;

const ignored = (what: string) =>
  z
    .unknown()
    .optional()
    .meta({ description: `Older parameter (${what}) without effect.` });

const params = z
  .strictObject({
    decodeProfile: z.string().default("decode").meta({
      description: "The profile that chooses for decode.",
    }),
    prefillProfile: z.string().default("prefill").meta({
      description: "The profile that chooses for prefill.",
    }),
    prefillProfileName: z.string().optional().meta({
      description: "Older form of prefillProfile; takes precedence over it.",
    }),
    deciderPluginName: z
      .string()
      .optional()
      .meta({
        description: `Plugin that decides whether prefill runs separately; if neither it nor a threshold is set, \`${defaultDecider}\`.`,
      }),
    threshold: z.int().min(0).optional().meta({
      description:
        "Older alternative to a plugin: prefills remotely if at least this many characters, 4 per token, are not cached; 0 for always.",
      unit: "characters",
    }),
    primaryPort: z.int().min(0).max(65_535).default(0).meta({
      description:
        "Port of the chosen address that requests go to, with the chosen endpoint in `x-data-parallel-host-port`; 0 for the endpoint's own port.",
      unit: "port",
    }),
    prefixMatchInfoProducerName: z.string().optional().meta({
      description: "Producer of the prefix matches that `threshold` uses.",
    }),
    prefixPluginType: ignored("it named the prefix cache's type"),
    prefixPluginName: ignored("it named the prefix cache"),
    hashBlockSize: ignored("the block size is the producer's"),
  })
  .refine(({ threshold, deciderPluginName }) => threshold === undefined || !deciderPluginName, {
    path: ["threshold"],
    message: "replaces deciderPluginName: remove one of them",
  });

/** The older handler of separate prefill and decode. */
export const pdProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Older form of `disagg-profile-handler`: the decode profile chooses an endpoint, then the prefill profile runs if the decider selects the request. The decider is `deciderPluginName` or, in even older documents, `threshold`: 0 for always, otherwise at least `ceil(threshold / 4)` tokens of the prompt must be uncached. Sets `x-prefiller-host-port` itself; `prefill-header-handler` is not needed.",
  params,
  needs: (given) => {
    const { threshold, prefixMatchInfoProducerName: producer } = given;
    if (threshold === undefined) {
      const name = given.deciderPluginName || defaultDecider;
      return [{ kind: "plugin", name, as: "decider", path: ["deciderPluginName"] }];
    }
    if (threshold === 0) return [];
    return [
      { kind: "data", data: "prompt-tokens", producer: undefined, path: [] },
      { kind: "data", data: "prefix-match", producer, path: ["prefixMatchInfoProducerName"] },
    ];
  },
  create: (given, deps) => {
    const profile = given.prefillProfileName || given.prefillProfile || "prefill";
    const stages: Stages = {
      decode: given.decodeProfile || "decode",
      prefill: { profile, decider: deciderOf(given, deps) },
      encode: undefined,
    };
    return {
      next: decodeFirst(stages),
      primary: answerOf(stages),
      mistakeIn: (profileNames) => mistakeInProfiles(type, stages, profileNames),
      helpers: helpersOf(stages),
      dispatch: (context, endpoint) => {
        const headers = stageHeaders(context, stages);
        if (given.primaryPort === 0) {
          return { hostPort: endpoint.hostPort, requestHeaders: headers };
        }
        const { hostPort, requestHeaders } = dispatchToRank(endpoint, given.primaryPort);
        return { hostPort, requestHeaders: [...headers, ...requestHeaders] };
      },
    };
  },
});

/** The decider of the prefill stage; undefined if it always runs. */
function deciderOf(given: z.output<typeof params>, deps: PluginDeps): Decider | undefined {
  if (given.threshold === undefined) {
    return deps.plugin(given.deciderPluginName || defaultDecider).decider;
  }
  if (given.threshold === 0) return undefined;
  const uncachedTokensMin = Math.ceil(given.threshold / charactersPerToken);
  return prefillThreshold(
    { uncachedTokensMin, promptTokensMin: 0 },
    {
      tokensOf: deps.reader("prompt-tokens", undefined),
      matchOf: deps.reader("prefix-match", given.prefixMatchInfoProducerName),
    },
  );
}
