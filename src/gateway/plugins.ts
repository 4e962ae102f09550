import { fileDiscoveryPlugin } from "../control-plane/discovery/file/plugin.ts";
import { metricsExtractorPlugin } from "../control-plane/signals/scrape/plugins.ts";
import {
  dcgmExtractorPlugin,
  dcgmSourcePlugin,
  modelsExtractorPlugin,
  modelsSourcePlugin,
} from "../control-plane/signals/scrape/probes/side-plugins.ts";
import { metricsSourcePlugin } from "../control-plane/signals/scrape/source-plugin.ts";
import { policyPlugins } from "../data-plane/admission/policies.ts";
import { admissionPlugins } from "../data-plane/admission/registry.ts";
import { parserPlugins } from "../data-plane/parsing/plugins.ts";
import { producerPlugins } from "../data-plane/scheduling/producers/registry.ts";
import { schedulingPlugins } from "../data-plane/scheduling/registry.ts";
import type { PickerConfig } from "../config/load-config.ts";

/** Every plugin a configuration may name. */
export const plugins = [
  ...schedulingPlugins,
  ...admissionPlugins,
  ...producerPlugins,
  ...parserPlugins,
  ...policyPlugins,
  fileDiscoveryPlugin,
  metricsSourcePlugin,
  metricsExtractorPlugin,
  modelsSourcePlugin,
  modelsExtractorPlugin,
  dcgmSourcePlugin,
  dcgmExtractorPlugin,
] as const;

type Plugin = (typeof plugins)[number];

/** A configuration whose plugins are all ones that this build has. */
export type GatewayConfig = PickerConfig<Plugin>;
