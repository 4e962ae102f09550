import { z } from "zod";
import { type PluginDeps, profileHandlerPlugin } from "../../../core/data-plane-plugin.ts";
import {
  answerOf,
  decodeFirst,
  helpersOf,
  mistakeInProfiles,
  prefillFirst,
  type Stage,
  stageHeaders,
  type Stages,
} from "../shared/stages.ts";

const type = "disagg-profile-handler";

const profileField = (stage: string) =>
  z
    .string()
    .optional()
    .meta({ description: `The profile that chooses for ${stage}; default \`${stage}\`.` });
const deciderField = (stage: string) =>
  z
    .string()
    .optional()
    .meta({
      description: `The plugin that decides on ${stage}; without one there is no such stage.`,
    });
const olderField = (newer: string) =>
  z
    .string()
    .optional()
    .meta({ description: `Older form of ${newer}.` });

const document = z.strictObject({
  stageOrder: z
    .string()
    .default("decode-first")
    .refine((order) => stageOrderOf(order) !== undefined, "is decode-first or prefill-first")
    .meta({
      description:
        "`decode-first`: decode, then encode and prefill where their deciders say so. `prefill-first`: prefill always, then encode, then decode.",
      tune: "prefill-first where decode has to be near the prefill, such as with a topology filter.",
    }),
  profiles: z
    .strictObject({
      decode: profileField("decode"),
      prefill: profileField("prefill"),
      encode: profileField("encode"),
    })
    .optional()
    .meta({ description: "Which scheduling profile chooses for which stage." }),
  deciders: z
    .strictObject({ prefill: deciderField("prefill"), encode: deciderField("encode") })
    .optional()
    .meta({ description: "Which plugins decide whether a request gets a stage of its own." }),
  decodeProfile: olderField("profiles.decode"),
  prefillProfile: olderField("profiles.prefill"),
  encodeProfile: olderField("profiles.encode"),
  prefillDeciderPluginName: olderField("deciders.prefill"),
  deciderPluginName: olderField("deciders.prefill"),
  encodeDeciderPluginName: olderField("deciders.encode"),
});

const olderForms = [
  "decodeProfile",
  "prefillProfile",
  "encodeProfile",
  "prefillDeciderPluginName",
  "deciderPluginName",
  "encodeDeciderPluginName",
] as const;

const params = document
  .superRefine((given, context) => {
    const olderForm = olderForms.find((name) => given[name] !== undefined);
    if (olderForm !== undefined && (given.profiles !== undefined || given.deciders !== undefined)) {
      const message = "is the older form: leave it out, or profiles and deciders";
      context.addIssue({ code: "custom", path: [olderForm], message });
    }
    const settings = settingsOf(given);
    if (settings.stageOrder === "prefill-first" && settings.deciders.prefill !== undefined) {
      const message = "has nothing to decide in prefill-first, where prefill always runs";
      context.addIssue({ code: "custom", path: ["deciders", "prefill"], message });
    }
  })
  .transform(settingsOf);

interface Settings {
  readonly stageOrder: StageOrder;
  readonly profiles: { readonly decode: string; readonly prefill: string; readonly encode: string };
  readonly deciders: {
    readonly prefill: string | undefined;
    readonly encode: string | undefined;
  };
}

type StageOrder = "decode-first" | "prefill-first";

/** Chooses the endpoints for the stages of a request, each by a profile of its own. */
export const disaggProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Splits a request into stages on endpoints of their own. `decode-first`: the decode profile chooses; then the encode profile where `deciders.encode` says so about that endpoint, then the prefill profile where `deciders.prefill` says so. `prefill-first`: prefill always, then encode, then decode. The request goes to the decode endpoint; `x-prefiller-host-port` and `x-encoder-hosts-ports` tell its sidecar who works ahead of it. Where decode finds no endpoint the request is refused, where another stage finds none it goes on without. A stage without a decider does not exist. For long prompts that would hold up the decoding of others, with engines that can pass on their KV cache.",
  params,
  needs: ({ deciders }) =>
    (["prefill", "encode"] as const).flatMap((stage) => {
      const name = deciders[stage];
      if (name === undefined) return [];
      return [{ kind: "plugin", name, as: "decider", path: ["deciders", stage] } as const];
    }),
  create: ({ stageOrder, profiles, deciders }, deps) => {
    const isPrefillFirst = stageOrder === "prefill-first";
    const stages: Stages = {
      decode: profiles.decode,
      prefill: isPrefillFirst
        ? { profile: profiles.prefill, decider: undefined }
        : stageOf(profiles.prefill, deciders.prefill, deps),
      encode: stageOf(profiles.encode, deciders.encode, deps),
    };
    return {
      next: isPrefillFirst ? prefillFirst(stages) : decodeFirst(stages),
      primary: answerOf(stages),
      mistakeIn: (profileNames) => mistakeInProfiles(type, stages, profileNames),
      helpers: helpersOf(stages),
      dispatch: (context, endpoint) => ({
        hostPort: endpoint.hostPort,
        requestHeaders: stageHeaders(context, stages),
      }),
    };
  },
});

function stageOf(
  profile: string,
  deciderName: string | undefined,
  deps: PluginDeps,
): Stage | undefined {
  if (deciderName === undefined) return undefined;
  return { profile, decider: deps.plugin(deciderName).decider };
}

/** An empty name counts as none, as in the peer's documents. */
function settingsOf(given: z.output<typeof document>): Settings {
  const { profiles, deciders } = given;
  return {
    stageOrder: stageOrderOf(given.stageOrder) ?? "decode-first",
    profiles: {
      decode: profiles?.decode || given.decodeProfile || "decode",
      prefill: profiles?.prefill || given.prefillProfile || "prefill",
      encode: profiles?.encode || given.encodeProfile || "encode",
    },
    deciders: {
      prefill:
        deciders?.prefill || given.prefillDeciderPluginName || given.deciderPluginName || undefined,
      encode: deciders?.encode || given.encodeDeciderPluginName || undefined,
    },
  };
}

/** Reads the spellings that the peer takes: any case, with or without hyphens, `-first` or not. */
function stageOrderOf(text: string): StageOrder | undefined {
  switch (text.toLowerCase().replaceAll(/[-_]/g, "")) {
    case "":
    case "decode":
    case "decodefirst":
      return "decode-first";
    case "prefill":
    case "prefillfirst":
      return "prefill-first";
    default:
      return undefined;
  }
}
