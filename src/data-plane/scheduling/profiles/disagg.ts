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
    .meta({ description: `Profile for ${stage}; default \`${stage}\`.` });
const deciderField = (stage: string) =>
  z
    .string()
    .optional()
    .meta({
      description: `Plugin that decides whether ${stage} runs as a separate stage; without one it never does.`,
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
        "`decode-first`: decode, then encode and prefill if their deciders select the request. `prefill-first`: always prefill, then encode, then decode.",
      tune: "Use prefill-first if decode must be near prefill, such as with a topology filter.",
    }),
  profiles: z
    .strictObject({
      decode: profileField("decode"),
      prefill: profileField("prefill"),
      encode: profileField("encode"),
    })
    .optional()
    .meta({ description: "Scheduling profile of each stage." }),
  deciders: z
    .strictObject({ prefill: deciderField("prefill"), encode: deciderField("encode") })
    .optional()
    .meta({ description: "Plugins that decide whether a request gets a separate stage." }),
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
      const message = "is the older form: remove either it or profiles and deciders";
      context.addIssue({ code: "custom", path: [olderForm], message });
    }
    const settings = settingsOf(given);
    if (settings.stageOrder === "prefill-first" && settings.deciders.prefill !== undefined) {
      const message = "has no effect in prefill-first, which always runs prefill";
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

/** Chooses endpoints for the stages of a request, each by its own profile. */
export const disaggProfileHandler = profileHandlerPlugin({
  type,
  summary:
    "Splits a request into stages on separate endpoints. `decode-first`: the decode profile chooses an endpoint; then the encode profile runs if `deciders.encode` selects the request, and the prefill profile if `deciders.prefill` does. `prefill-first`: always prefill, then encode, then decode. The request goes to the decode endpoint; `x-prefiller-host-port` and `x-encoder-hosts-ports` tell its sidecar which endpoints run the earlier stages. If decode finds no endpoint, the request is refused; if another stage finds none, that stage is skipped. A stage without a decider never runs. For long prompts that would delay the decoding of other requests, with engines that can transfer their KV cache.",
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

/** Reads the settings. As in the peer, an empty name counts as a missing one. */
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

/** Parses the spellings that the peer accepts: any case, with or without hyphens, with or without `-first`. */
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
