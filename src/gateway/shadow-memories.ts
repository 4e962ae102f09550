import type { Endpoint } from "../core/endpoint.ts";
import { PluginMemory } from "../state/plugin-memory.ts";

/** Memories of the plugins in force, and those of a shadow document: all of them hear of the same endpoints. */
export class ShadowMemories implements Pick<PluginMemory, "forget" | "restart"> {
  readonly shadow = new PluginMemory();
  readonly ruler = new PluginMemory();
  readonly #inForce: PluginMemory;

  constructor(inForce: PluginMemory) {
    this.#inForce = inForce;
  }

  forget(endpoint: Endpoint): void {
    for (const memory of [this.#inForce, this.shadow, this.ruler]) memory.forget(endpoint);
  }

  restart(endpoint: Endpoint, restartMs: number): void {
    for (const memory of [this.#inForce, this.shadow, this.ruler]) {
      memory.restart(endpoint, restartMs);
    }
  }
}
