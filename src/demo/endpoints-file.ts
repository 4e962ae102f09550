import type { HostPort } from "./envoy-config.ts";
import { numberOf, parseRecord, recordOf, textOf } from "./json.ts";

/** The addresses in the simulator's file of endpoints. */
export function endpointsOf(text: string): readonly HostPort[] {
  const endpoints = parseRecord(text)?.["endpoints"];
  if (!Array.isArray(endpoints)) return [];
  return endpoints.flatMap((value: unknown) => {
    const endpoint = recordOf(value);
    const address = textOf(endpoint?.["address"]);
    const port = numberOf(endpoint?.["port"]);
    return address === undefined || port === undefined ? [] : [{ address, port }];
  });
}
