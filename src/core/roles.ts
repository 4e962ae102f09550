import type { Endpoint } from "./endpoint.ts";

/** The label with the stages of a request that an engine serves. */
const roleLabel = "llm-d.ai/role";

/** Values of the label by stage. */
const rolesOf = {
  encode: new Set(["encode", "encode-prefill", "encode-prefill-decode"]),
  prefill: new Set([
    "prefill",
    "encode-prefill",
    "prefill-decode",
    "both",
    "encode-prefill-decode",
  ]),
  decode: new Set(["decode", "prefill-decode", "both", "encode-prefill-decode"]),
} as const;

export type Stage = keyof typeof rolesOf;

/** True if the engine serves the stage by its label. Without the label, it decodes. */
export function servesStage({ labels }: Pick<Endpoint, "labels">, stage: Stage): boolean {
  const role = hasRole({ labels }) ? labels[roleLabel] : undefined;
  if (role === undefined) return stage === "decode";
  const roles: ReadonlySet<string> = rolesOf[stage];
  return roles.has(role);
}

/** True if the engine has the label. Own properties only: a label named `constructor` is not inherited. */
export function hasRole({ labels }: Pick<Endpoint, "labels">): boolean {
  return Object.hasOwn(labels, roleLabel);
}
