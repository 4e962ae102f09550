import { describe, expect, it } from "vitest";
import { flagHelp, type FlagTable, parseFlags } from "./flags.ts";
import { serveFlags } from "./serve-flags.ts";

/** The same table, each flag as any flag. */
const flags: FlagTable = serveFlags;

function parsed(argv: readonly string[]) {
  const result = parseFlags(serveFlags, argv, {});
  if (result.kind !== "parsed") throw new Error(JSON.stringify(result));
  return result;
}

const camelCaseOf = (name: string) =>
  name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** A value a flag accepts, and what it becomes. */
function exampleOf(flag: FlagTable[string]): { text: string; value: unknown } {
  switch (flag.kind) {
    case "string":
      return { text: "some text", value: "some text" };
    case "boolean":
      return { text: String(!flag.initial), value: !flag.initial };
    case "int":
    case "number":
      return { text: "7", value: 7 };
    case "duration":
      return { text: "7s", value: 7_000 };
    case "bytes":
      return { text: "7MiB", value: 7_340_032 };
    case "list":
      return { text: "7,8", value: ["7", "8"] };
  }
}

const document = "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n";

describe.each(Object.entries(flags))("serve's flag %s", (name, flag) => {
  const spellings = [name, camelCaseOf(name)].flatMap((spelling) => [
    `--${spelling}`,
    `-${spelling}`,
  ]);
  const { text, value } = exampleOf(flag);

  it.each(spellings)("is read as %s=value", (spelling) => {
    expect(parsed([`${spelling}=${text}`]).values).toMatchObject({ [name]: value });
  });

  it.each(spellings)("is read as %s value, or bare where it is a boolean", (spelling) => {
    const { values, positionals } = parsed([spelling, text]);
    const isBoolean = flag.kind === "boolean";
    expect(values).toMatchObject({ [name]: isBoolean ? true : value });
    expect(positionals).toEqual(isBoolean ? [text] : []);
  });

  it("has a help text", () => {
    expect(flag.help).toMatch(/^\S.*[^.]\.$/);
  });

  it("is listed by --help, after blanks", () => {
    expect(flagHelp(flags)).toMatch(new RegExp(String.raw`^ +--${name}( |$)`, "m"));
  });

  it("is remarked on where it asks for something that is not done", () => {
    const { warnings } = parsed([`--${name}=${text}`]);
    expect(warnings).toEqual(flag.warning === undefined ? [] : [`--${name}: ${flag.warning}`]);
  });
});

const wordsOf = (line: string) =>
  line
    .trim()
    .split(/\s+/)
    .map((word) => (word === "DOCUMENT" ? document : word === '""' ? "" : word));

/** Command lines that exist in the field; `but` has the values that differ from the defaults. */
const commandLines: readonly {
  readonly of: string;
  /** Words apart by blanks; DOCUMENT stands for a configuration, "" for an empty word. */
  readonly line: string;
  readonly but: Readonly<Record<string, unknown>>;
  readonly strays?: readonly string[];
}[] = [
  {
    of: "the Gateway API conformance suite",
    line: `
      --pool-name primary-inference-pool --pool-namespace
      inference-conformance-app-backend --zap-encoder json --grpc-port 9002
      --grpc-health-port 9003`,
    but: {
      "pool-name": "primary-inference-pool",
      "pool-namespace": "inference-conformance-app-backend",
    },
  },
  {
    of: "KServe v0.16",
    line: `
      --poolName p --poolNamespace n --zap-encoder json --grpcPort 9002
      --grpcHealthPort 9003 --configText DOCUMENT`,
    but: { "pool-name": "p", "pool-namespace": "n", "config-text": document },
  },
  {
    of: "KServe v0.16.0-rc0",
    line: `
      --poolName p --poolNamespace n --zap-encoder json --grpcPort 9002
      --grpcHealthPort 9003 --secureServing --modelServerMetricsScheme https
      --modelServerMetricsHttpsInsecureSkipVerify --certPath /etc/ssl/certs
      --configText DOCUMENT`,
    but: {
      "pool-name": "p",
      "pool-namespace": "n",
      "model-server-metrics-scheme": "https",
      "cert-path": "/etc/ssl/certs",
      "config-text": document,
    },
  },
  {
    of: "KServe v0.17",
    line: `
      --pool-name p --pool-namespace n --zap-encoder json --grpc-port 9002
      --grpc-health-port 9003 --kv-cache-usage-percentage-metric
      vllm:kv_cache_usage_perc --config-text DOCUMENT`,
    but: {
      "pool-name": "p",
      "pool-namespace": "n",
      "kv-cache-usage-percentage-metric": "vllm:kv_cache_usage_perc",
      "config-text": document,
    },
  },
  {
    of: "KServe v0.18 with TLS",
    line: `
      --pool-name p --pool-namespace n --zap-encoder json --grpc-port 9002
      --grpc-health-port 9003 --enable-cert-reload=true --secure-serving=true
      --model-server-metrics-scheme=https --cert-path=/var/run/kserve/tls
      --ha-enable-leader-election --config-text DOCUMENT --tracing=true`,
    but: {
      "pool-name": "p",
      "pool-namespace": "n",
      "model-server-metrics-scheme": "https",
      "cert-path": "/var/run/kserve/tls",
      "ha-enable-leader-election": true,
      "config-text": document,
    },
  },
  {
    of: "KServe v0.18 without TLS: four empty words",
    line: `
      --pool-name p --pool-namespace n --zap-encoder json --grpc-port 9002
      --grpc-health-port 9003 "" "" "" "" --config-text DOCUMENT`,
    but: { "pool-name": "p", "pool-namespace": "n", "config-text": document },
    strays: ["", "", "", ""],
  },
  {
    of: "KServe's e2e suite, which repeats flags",
    line: `
      --pool-name template --pool-name p --pool-namespace n --pool-group
      inference.networking.x-k8s.io --secure-serving --model-server-metrics-scheme
      https --kv-cache-usage-percentage-metric vllm:kv_cache_usage_perc`,
    but: {
      "pool-name": "p",
      "pool-namespace": "n",
      "pool-group": "inference.networking.x-k8s.io",
      "model-server-metrics-scheme": "https",
      "kv-cache-usage-percentage-metric": "vllm:kv_cache_usage_perc",
    },
  },
  {
    of: "Kaito v0.12, InferenceSet",
    line: `
      --pool-name is-inferencepool --pool-namespace n --pool-group
      inference.networking.k8s.io --zap-encoder json --config-file
      /config/default-plugins.yaml --grpc-health-port 9003 --secure-serving=false
      --tracing=false`,
    but: {
      "pool-name": "is-inferencepool",
      "pool-namespace": "n",
      "config-file": "/config/default-plugins.yaml",
      "secure-serving": false,
      tracing: false,
    },
  },
  {
    of: "Kaito v0.12, MultiRoleInference",
    line: `
      --pool-name mri-inferencepool --pool-namespace n --zap-encoder json
      --config-file /config/config.yaml --model-server-metrics-port=5000`,
    but: {
      "pool-name": "mri-inferencepool",
      "pool-namespace": "n",
      "config-file": "/config/config.yaml",
      "model-server-metrics-port": 5_000,
    },
  },
  {
    of: "Kaito v0.11: a boolean and its value as two words",
    line: `
      --pool-name mri-inferencepool --pool-namespace n --zap-encoder json
      --config-file /config/config.yaml --secure-serving false
      --model-server-metrics-port 5000`,
    but: {
      "pool-name": "mri-inferencepool",
      "pool-namespace": "n",
      "config-file": "/config/config.yaml",
      "secure-serving": true,
      "model-server-metrics-port": 5_000,
    },
    strays: ["false"],
  },
  {
    of: "Kaito's production stack",
    line: `
      --pool-name p --pool-namespace n --zap-encoder json --config-file
      /config/default-plugins.yaml --secure-serving=false --tracing=false
      --metrics-endpoint-auth=false --v=1`,
    but: {
      "pool-name": "p",
      "pool-namespace": "n",
      "config-file": "/config/default-plugins.yaml",
      "secure-serving": false,
      tracing: false,
      v: 1,
    },
  },
  {
    of: "the Gateway API chart for Triton",
    line: `--lora-info-metric "" --pool-name p`,
    but: { "pool-name": "p" },
  },
  {
    of: "Go's flag package, in full camelCase",
    line: `
      -grpcPort=1 -grpcHealthPort=2 -metricsPort=3 -enablePprof
      -destinationEndpointHintKey=k -DestinationEndpointHintMetadataNamespace=m
      -poolName=p -poolNamespace=n -refreshMetricsInterval=100ms
      -refreshPrometheusMetricsInterval=1s -v=3 -secureServing=false -healthChecking
      -certPath=c -totalQueuedRequestsMetric=q -kvCacheUsagePercentageMetric=u
      -loraInfoMetric=l -configFile=f -modelServerMetricsPort=4
      -modelServerMetricsPath=/x -modelServerMetricsScheme=https
      -modelServerMetricsHttpsInsecureSkipVerify=false`,
    but: {
      "grpc-port": 1,
      "grpc-health-port": 2,
      "metrics-port": 3,
      "destination-endpoint-hint-key": "k",
      "destination-endpoint-hint-metadata-namespace": "m",
      "pool-name": "p",
      "pool-namespace": "n",
      "refresh-metrics-interval": 100,
      "refresh-prometheus-metrics-interval": 1_000,
      v: 3,
      "secure-serving": false,
      "health-checking": true,
      "cert-path": "c",
      "total-queued-requests-metric": "q",
      "kv-cache-usage-percentage-metric": "u",
      "lora-info-metric": "l",
      "config-file": "f",
      "model-server-metrics-port": 4,
      "model-server-metrics-path": "/x",
      "model-server-metrics-scheme": "https",
      "model-server-metrics-https-insecure-skip-verify": false,
    },
  },
];

describe("the command line", () => {
  const defaults = Object.fromEntries(
    Object.entries(flags).map(([name, { initial }]) => [name, initial]),
  );

  it.each(commandLines)("of $of is understood", ({ line, but, strays = [] }) => {
    const { values, positionals } = parsed(wordsOf(line));
    expect(values).toEqual({ ...defaults, ...but });
    expect(positionals).toEqual(strays);
  });
});

it("serve refuses a flag that nobody has", () => {
  expect(parseFlags(serveFlags, ["--x", "--help"], {})).toEqual({
    kind: "invalid",
    message: "unknown flag: --x",
  });
});
