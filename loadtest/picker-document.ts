/** A scorer of a picker under load. */
export interface WeightedType {
  readonly type: string;
  readonly weight: number;
}

/** Those of llm-d-router's default document. */
export const peerScorers = "queue-scorer=2,kv-cache-utilization-scorer=2,prefix-cache-scorer=3";

/** Types that only a document of our own `apiVersion` may name. */
const ownScorers = new Set(["expected-latency-scorer"]);

/** `TYPE=WEIGHT,...`; a weight that is left out is 1. */
export function scorersIn(list: string): readonly WeightedType[] {
  return list.split(",").flatMap((entry) => {
    const [type = "", weight = "1"] = entry.split("=");
    return type === "" ? [] : [{ type, weight: Number(weight) }];
  });
}

/** A picker's document with one profile of these scorers, over the endpoints of a file. */
export function pickerDocument(
  endpointsFile: string,
  scorers: readonly WeightedType[],
  health?: object,
): string {
  const discovery = { type: "file-discovery", parameters: { path: endpointsFile } };
  const plugins = scorers.map(({ type, weight }) => ({ pluginRef: type, weight }));
  const isOwn = health !== undefined || scorers.some(({ type }) => ownScorers.has(type));
  return JSON.stringify({
    apiVersion: isOwn ? "pointsman.dev/v1alpha1" : "llm-d.ai/v1alpha1",
    kind: "EndpointPickerConfig",
    plugins: [discovery, ...scorers.map(({ type }) => ({ type }))],
    schedulingProfiles: [{ name: "default", plugins }],
    ...(health === undefined ? {} : { health }),
    dataLayer: { discovery: { pluginRef: "file-discovery" } },
  });
}
