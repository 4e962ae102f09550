import { admissionPlugins } from "./admission/registry.ts";
import { evictionPolicies } from "./admission/eviction.ts";
import { parserPlugins } from "./parsing/parser-plugins.ts";
import { producerPlugins } from "./scheduling/producers/registry.ts";
import { schedulingPlugins } from "./scheduling/registry.ts";

/** Plugins whose instances take part in decisions. */
export const decisionPlugins = [...schedulingPlugins, ...admissionPlugins, ...producerPlugins];

/** Every plugin that the data plane builds, or will build. */
export const dataPlanePlugins = [...decisionPlugins, ...parserPlugins, ...evictionPolicies];
