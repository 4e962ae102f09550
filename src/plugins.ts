import { fileDiscoveryPlugin } from "./control-plane/discovery/file/plugin.ts";
import {
  metricsExtractorPlugin,
  metricsSourcePlugin,
} from "./control-plane/signals/scrape/plugins.ts";
import { schedulingPlugins } from "./data-plane/scheduling/registry.ts";
import type { PickerConfig } from "./operator/config/load-config.ts";

/** Every plugin a configuration may name. */
export const plugins = [
  ...schedulingPlugins,
  fileDiscoveryPlugin,
  metricsSourcePlugin,
  metricsExtractorPlugin,
] as const;

export type Plugin = (typeof plugins)[number];

/** A configuration whose plugins are all ones that this build has. */
export type GatewayConfig = PickerConfig<Plugin>;
