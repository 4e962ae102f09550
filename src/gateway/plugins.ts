import { controlPlanePlugins } from "../control-plane/plugins.ts";
import type { Plugin } from "../core/plugin.ts";
import { dataPlanePlugins } from "../data-plane/plugins.ts";

/** Every plugin that a document may name. */
export const plugins: readonly Plugin[] = [...dataPlanePlugins, ...controlPlanePlugins];
