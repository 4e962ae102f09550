/**
 * Place -> the places that its files may import, each with all that it holds; `folder/*` is only the files directly in
 * a folder. The table of src/README.md, executable.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  cli: [
    "cli",
    "demo",
    "gateway",
    "admin",
    "config",
    "control-plane",
    "listening",
    "replay",
    "simulator",
    "state",
    "telemetry",
    ...bottom(),
  ],
  replay: [
    "replay",
    "gateway",
    "config",
    "data-plane",
    "simulator",
    "state",
    "telemetry",
    ...bottom(),
  ],
  demo: ["demo", ...bottom()],
  gateway: [
    "gateway",
    "admin",
    "config",
    "data-plane",
    "control-plane",
    "listening",
    "state",
    "telemetry",
    ...bottom(),
  ],
  admin: ["admin", "listening", ...bottom()],
  config: ["config", ...bottom()],

  "data-plane": [
    "data-plane/*",
    "data-plane/parsing",
    "data-plane/admission",
    "data-plane/scheduling",
    "data-plane/response",
    ...bottom(),
  ],
  "data-plane/ingress": ["data-plane/ingress", "data-plane/*", "listening", ...bottom()],
  "data-plane/parsing": ["data-plane/parsing", ...bottom()],
  "data-plane/parsing/json": ["data-plane/parsing/json", ...bottom()],
  "data-plane/response": ["data-plane/response", ...bottom()],
  "data-plane/admission": ["data-plane/admission", ...bottom()],
  "data-plane/admission/detectors": ["data-plane/admission/detectors", ...bottom()],
  "data-plane/admission/admitters": bottom(),
  "data-plane/scheduling": ["data-plane/scheduling", ...bottom()],
  "data-plane/scheduling/shared": ["data-plane/scheduling/shared", ...bottom()],
  // Plugins import their contract and what they share, and never each other.
  "data-plane/scheduling/filters": schedulingPlugin(),
  "data-plane/scheduling/scorers": schedulingPlugin(),
  "data-plane/scheduling/pickers": schedulingPlugin(),
  "data-plane/scheduling/profiles": schedulingPlugin(),
  "data-plane/scheduling/deciders": schedulingPlugin(),
  "data-plane/scheduling/conformance": schedulingPlugin(),
  // A producer may be made of several files.
  "data-plane/scheduling/producers": [...schedulingPlugin(), "data-plane/scheduling/producers"],

  "control-plane": ["control-plane", "state", "telemetry", ...bottom()],
  "control-plane/kubernetes": ["control-plane/kubernetes", ...bottom()],
  "control-plane/election": clusterPart("election"),
  "control-plane/config-map": clusterPart("config-map"),
  "control-plane/policies": [...clusterPart("policies"), "state"],
  "control-plane/discovery/kubernetes": [...clusterPart("discovery/kubernetes"), "state"],
  "control-plane/discovery/file": ["control-plane/discovery/file", "state", ...bottom()],
  "control-plane/discovery/dns": ["control-plane/discovery/dns", "state", ...bottom()],
  "control-plane/signals": ["control-plane/signals", "state", ...bottom()],
  "control-plane/signals/scrape/exposition": [
    "control-plane/signals/scrape/exposition",
    ...bottom(),
  ],

  listening: ["listening", "telemetry", ...bottom()],
  telemetry: ["telemetry", ...bottom()],
  state: ["state", ...bottom()],
  simulator: ["simulator", "listening", ...bottom()],
  core: bottom(),
  std: ["std"],
};

/** What everything may use: the vocabulary, and what knows nothing of inference. */
function bottom(): string[] {
  return ["core", "std"];
}

function schedulingPlugin(): string[] {
  return [...bottom(), "data-plane/scheduling/shared"];
}

function clusterPart(name: string): string[] {
  return [`control-plane/${name}`, "control-plane/kubernetes", ...bottom()];
}

/** Package -> the only paths that may import it. */
export const FENCED: Readonly<Record<string, RegExp>> = {
  "@grpc/grpc-js": /^(data-plane\/ingress|listening|control-plane\/signals\/scrape\/probes)\//,
  "@grpc/proto-loader": /^data-plane\/ingress\/ext-proc\//,
  "grpc-health-check": /^(data-plane\/ingress\/grpc|control-plane\/signals\/scrape\/probes)\//,
  selfsigned: /^listening\//,
  undici: /^(control-plane\/(signals\/scrape|kubernetes)|demo|cli)\//,
  "@kubernetes/client-node": /^control-plane\/kubernetes\//,
  pino: /^telemetry\//,
  "prom-client": /^(telemetry|gateway)\/|\/metrics\.ts$/,
  zod: /^(config|data-plane|control-plane)\//,
  "lit-html": /^admin\/ui\//,
  "lit-html/directives/repeat.js": /^admin\/ui\//,
  yaml: /^(config|control-plane\/discovery\/file)\//,
};
