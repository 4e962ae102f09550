import { dnsDiscoveryPlugin } from "./discovery/dns/plugin.ts";
import { fileDiscoveryPlugin } from "./discovery/file/plugin.ts";
import { metricsExtractorPlugin } from "./signals/scrape/extractor-plugin.ts";
import {
  dcgmExtractorPlugin,
  dcgmSourcePlugin,
  modelsExtractorPlugin,
  modelsSourcePlugin,
} from "./signals/scrape/probes/probe-plugins.ts";
import { metricsSourcePlugin } from "./signals/scrape/source-plugin.ts";

/** Every plugin that the control plane builds. */
export const controlPlanePlugins = [
  fileDiscoveryPlugin,
  dnsDiscoveryPlugin,
  metricsSourcePlugin,
  metricsExtractorPlugin,
  modelsSourcePlugin,
  modelsExtractorPlugin,
  dcgmSourcePlugin,
  dcgmExtractorPlugin,
];
