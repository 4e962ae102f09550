import type { EndpointSpec } from "../../src/state/membership.ts";
import { PoolState, type PoolStateOptions } from "../../src/state/pool-state.ts";

/** A spec whose id and address follow from its name. */
export function spec(name: string, over: Partial<EndpointSpec> = {}): EndpointSpec {
  return {
    id: `default/${name}`,
    namespace: "default",
    name,
    address: `10.0.0.${name.charCodeAt(0)}`,
    port: 8_000,
    labels: {},
    ...over,
  };
}

/** A state of four slots with these endpoints, at least one. */
export function stateOf(specs: readonly EndpointSpec[], options: PoolStateOptions = {}) {
  const state = new PoolState({ slotsMax: 4, ...options });
  const { store } = state;
  store.apply(specs);
  const [first] = store.endpoints();
  if (first === undefined) throw new Error("a pool under test has an endpoint");
  return { state, store, first };
}
