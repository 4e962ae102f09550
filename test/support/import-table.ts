/** Place -> the places its files may import. The table of src/README.md, executable. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["operator/cli"],
  "gateway.ts": [
    "core",
    "std",
    "telemetry",
    "state",
    "data-plane/pipeline.ts",
    "data-plane/parsing",
    "data-plane/scheduling",
    "data-plane/response",
    "data-plane/ingress/ext-proc",
    "control-plane/discovery/file",
    "control-plane/signals/scrape",
    "operator/admin",
  ],
  "plugins.ts": [
    "data-plane/scheduling",
    "control-plane/discovery/file",
    "control-plane/signals/scrape",
    "operator/config",
  ],
  "configured.ts": [
    "plugins.ts",
    "std",
    "data-plane/scheduling",
    "data-plane/scheduling/plugin.ts",
    "control-plane/discovery/file",
    "control-plane/signals/scrape",
    "operator/config",
  ],
  core: ["core"],
  std: ["std"],
  telemetry: ["telemetry", "core", "std"],

  "data-plane/pipeline.ts": ["core"],
  "data-plane/parsing": ["data-plane/parsing", "core", "std"],
  "data-plane/response": ["data-plane/response", "core", "std"],
  "data-plane/scheduling": [
    "data-plane/scheduling",
    "data-plane/scheduling/plugin.ts",
    "data-plane/scheduling/filters",
    "data-plane/scheduling/scorers",
    "data-plane/scheduling/pickers",
    "data-plane/scheduling/profiles",
    "core",
    "std",
  ],
  "data-plane/scheduling/plugin.ts": ["core", "std"],
  "data-plane/scheduling/ranges.ts": ["core"],
  "data-plane/scheduling/picker-params.ts": [],
  // Plugins import their contract and never each other.
  "data-plane/scheduling/filters": pluginImports(),
  "data-plane/scheduling/scorers": [...pluginImports(), "data-plane/scheduling/ranges.ts"],
  "data-plane/scheduling/pickers": [...pluginImports(), "data-plane/scheduling/picker-params.ts"],
  "data-plane/scheduling/profiles": pluginImports(),
  "data-plane/ingress/ext-proc": ["data-plane/ingress/ext-proc", "core", "std"],

  state: ["state", "core", "std"],
  "control-plane/discovery/file": ["control-plane/discovery/file", "state", "core", "std"],
  "control-plane/signals/scrape": ["control-plane/signals/scrape", "state", "core", "std"],

  "operator/config": ["operator/config", "core", "std"],
  "operator/admin": ["operator/admin", "core", "std", "telemetry", "state"],
  "operator/cli": [
    "operator/cli",
    "operator/config",
    "operator/demo",
    "gateway.ts",
    "plugins.ts",
    "configured.ts",
    "simulator",
    "core",
    "std",
    "telemetry",
  ],
  "operator/demo": ["operator/demo", "core", "std"],
  simulator: ["simulator", "core", "std"],
};

function pluginImports(): string[] {
  return ["core", "std", "data-plane/scheduling/plugin.ts"];
}

/** Package -> the only paths that may import it. */
export const FENCED: Readonly<Record<string, RegExp>> = {
  "@grpc/grpc-js": /^data-plane\/ingress\/ext-proc\//,
  "@grpc/proto-loader": /^data-plane\/ingress\/ext-proc\//,
  "grpc-health-check": /^data-plane\/ingress\/ext-proc\//,
  selfsigned: /^data-plane\/ingress\/ext-proc\//,
  undici: /^(control-plane\/signals\/scrape|operator\/demo)\//,
  pino: /^telemetry\//,
  "prom-client": /^(telemetry\/|gateway\.ts$|.*\/metrics\.ts$)/,
  zod: /^(operator\/config|data-plane\/scheduling|control-plane)\//,
  yaml: /^(operator\/config|control-plane\/discovery\/file)\//,
};
