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
/** Characters of the old threshold that count as one token, as in KServe's migration. */
const charactersPerToken = 4;

const ignored = (what: string) =>
  z
    .unknown()
    .optional()
    .meta({ description: `Older parameter (${what}); does nothing.` });

const params = z
  .strictObject({
    decodeProfile: z.string().default("decode").meta({
      description: "The profile that chooses for decode.",
    }),
    prefillProfile: z.string().default("prefill").meta({
      description: "The profile that chooses for prefill.",
    }),
    prefillProfileName: z.string().optional().meta({
      description: "Older form of prefillProfile, which it replaces.",
    }),
    deciderPluginName: z
      .string()
      .optional()
      .meta({
        description: `The plugin that decides on prefill; without it and a threshold \`${defaultDecider}\`.`,
      }),
    threshold: z.int().min(0).optional().meta({
      description:
        "Older way to decide, in place of a plugin: 0 for a prefill elsewhere always, else where at least this many characters, 4 to a token, are not cached.",
      unit: "characters",
    }),
    primaryPort: z.int().min(0).max(65_535).default(0).meta({
      description:
        "Sends requests to this port of the chosen address, with the chosen endpoint in `x-data-parallel-host-port`; 0 for the endpoint's own port.",
      unit: "port",
    }),
    prefixMatchInfoProducerName: z.string().optional().meta({
      description: "The producer of prefix matches that `threshold` goes by.",
    }),
    prefixPluginType: ignored("it named the prefix cache's type"),
    prefixPluginName: ignored("it named the prefix cache"),
    hashBlockSize: ignored("the block size is the producer's"),
  })
  .refine(({ threshold, deciderPluginName }) => threshold === undefined || !deciderPluginName, {
    path: ["threshold"],
    message: "decides in place of deciderPluginName: leave one of them out",
  });

/** The older handler of prefill and decode. */
export const pdProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Older form of `disagg-profile-handler`: the decode profile chooses, then the prefill profile where the decider says so about that endpoint. What decides is `deciderPluginName` or, in documents older still, `threshold`: 0 for always, else where at least `ceil(threshold / 4)` tokens of the prompt are not cached. Sets `x-prefiller-host-port` itself; `prefill-header-handler` adds nothing.",
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

/** Undefined for a prefill elsewhere always. */
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
