import { readFile } from "node:fs/promises";
import { Agent, type buildConnector } from "undici";
import { findCluster } from "../control-plane/kubernetes/cluster-access.ts";
import { HttpKubeApi } from "../control-plane/kubernetes/http-kube-api.ts";
import { buildConfig } from "../gateway/build-config.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { ClientTls, mistakeInFiles } from "../std/client-tls.ts";
import { systemClock } from "../std/clock.ts";
import { systemRandom } from "../std/random.ts";
import { reasonOf } from "../std/reason-of.ts";
import { clusterFlags, namespaceOf } from "./cluster-flags.ts";
import { type Command, type CommandContext, failureLinesOf, UsageError } from "./command.ts";
import { certificateFindings, SeenCertificates } from "./doctor/certificate-ends.ts";
import { examineCluster } from "./doctor/examine-cluster.ts";
import { examineEngine } from "./doctor/examine-engine.ts";
import { examineEnvoy } from "./doctor/examine-envoy.ts";
import { examinePicker } from "./doctor/examine-picker.ts";
import { exitCodeOf, exitCodes, merged, type Report, reportText } from "./doctor/finding.ts";
import { judgeCluster } from "./doctor/judge-cluster.ts";
import { type DocumentFacts, judgeDocument, waitMsOf } from "./doctor/judge-document.ts";
import { judgeEnvoy } from "./doctor/judge-envoy.ts";
import { judgeEngines } from "./doctor/judge-engines.ts";
import { judgePicker } from "./doctor/judge-picker.ts";
import { engineTlsFlags, engineTlsOf } from "./engine-tls-flags.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable, type FlagValues } from "./flags.ts";
import { pickerFlags } from "./picker-page.ts";
import { metricsPlaceFlags, metricsPlaceIn } from "./scrape-flags.ts";

/** Engines of one examination; all are asked at the same time. */
const endpointsMax = 256;
/** Path of the metrics of trtllm-serve, whose /metrics is a list in JSON. */
const otherMetricsPath = "/prometheus/metrics";

const doctorFlags = {
  endpoints: {
    kind: "list",
    initial: [],
    help: "Engines to examine: http://HOST:PORT or https://HOST:PORT each.",
  },
  "config-file": { kind: "string", initial: "", help: "EndpointPickerConfig to examine." },
  envoy: {
    kind: "string",
    initial: "",
    help: "URL of the admin port of an Envoy to examine, such as http://127.0.0.1:9901.",
  },
  "pool-name": {
    kind: "string",
    initial: "",
    help: "InferencePool to examine in its cluster, with its pods, its picker and its gateways.",
  },
  "pool-namespace": clusterFlags["pool-namespace"],
  "pool-group": clusterFlags["pool-group"],
  kubeconfig: clusterFlags.kubeconfig,
  "service-account": {
    kind: "string",
    initial: "",
    shownDefault: "that of the picker's pods",
    help: "Account of the picker, as NAMESPACE/NAME, whose rights are reviewed.",
  },
  ...pickerFlags,
  try: {
    kind: "boolean",
    initial: false,
    help: "Send each engine of --endpoints the same completion of one token twice.",
  },
  "engine-key-file": {
    kind: "string",
    initial: "",
    help: "File with the API key of the engines, if they require one.",
  },
  ...engineTlsFlags,
  ...metricsPlaceFlags,
  strict: { kind: "boolean", initial: false, help: "End with 1 for warnings too." },
  json: { kind: "boolean", initial: false, help: "Print the findings as JSON." },
} as const satisfies FlagTable;

type Values = FlagValues<typeof doctorFlags>;

const help = `Usage: pointsman doctor [flags]

Looks for faults in engines, in a running picker, in an Envoy, in a document and in the pool
of a cluster, and prints for each what it is, why it matters and the line to change. With none of them it examines
the picker at the default of --url. It changes nothing; with --try it sends two short
completions to each engine.

  pointsman doctor --endpoints http://10.0.0.1:8000,http://10.0.0.2:8000 --try
  pointsman doctor --url http://127.0.0.1:9090
  pointsman doctor --url http://127.0.0.1:9090 --envoy http://127.0.0.1:9901
  pointsman doctor --config-file config.yaml --strict
  pointsman doctor --pool-name llama --pool-namespace models

Exit codes: ${exitCodes.well} if all is well, ${exitCodes.found} for errors (with --strict for warnings too), ${exitCodes.notRun} if it could not
run, such as for a picker that does not answer.

Flags:
${flagHelp(doctorFlags)}
`;

const examination = flagCommand({ help, flags: doctorFlags, run });

/** Its exit code 1 means findings, so whatever keeps it from running has another one. */
export const doctor: Command = {
  async run(context) {
    try {
      return await examination.run(context);
    } catch (cause) {
      for (const line of failureLinesOf(cause)) context.stderr(`pointsman doctor: ${line}\n`);
      return exitCodes.notRun;
    }
  },
};

async function run(
  { values, isSet, positionals }: ParsedFlags<typeof doctorFlags>,
  context: CommandContext,
): Promise<number> {
  if (positionals.length > 0) {
    throw new UsageError([`unexpected arguments: ${positionals.join(" ")}`]);
  }
  const file = values["config-file"];
  const hasEnvoy = values.envoy !== "";
  const hasPool = values["pool-name"] !== "";
  const hasOther = values.endpoints.length > 0 || file !== "" || hasEnvoy || hasPool;
  const document = file === "" ? undefined : await documentIn(file);
  const picker = isSet("url") || !hasOther ? await examinePicker(values, systemClock) : undefined;
  const waitMs = Math.max(
    document === undefined ? 0 : waitMsOf(document),
    picker?.longestWaitMs ?? 0,
  );
  const report = merged([
    ...(document === undefined ? [] : [judgeDocument(document, { hasEnvoy })]),
    ...(hasPool ? [await clusterReport(values, context)] : []),
    ...(values.endpoints.length > 0 ? [await enginesReport(values, context)] : []),
    ...(hasEnvoy ? [await envoyReport(values, { waitMs, stop: context.stop })] : []),
    ...(picker === undefined ? [] : [judgePicker(picker)]),
  ]);
  context.stdout(values.json ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  return exitCodeOf(report, values.strict);
}

async function documentIn(file: string): Promise<DocumentFacts> {
  const text = await textOf("config-file", file);
  const result = buildConfig(text, {
    memory: new PluginMemory(),
    random: systemRandom,
    allowsTestOnly: false,
  });
  if (result.kind === "invalid") return { kind: "invalid", file, mistakes: result.mistakes };
  const { warnings, flowControl } = result.build.plan;
  return { kind: "read", file, warnings, flowControl };
}

async function envoyReport(
  values: Values,
  { waitMs, stop }: { readonly waitMs: number; readonly stop: AbortSignal },
): Promise<Report> {
  const admin = addressIn("envoy", values.envoy);
  const dispatcher = new Agent();
  try {
    const options = { headers: {}, dispatcher, clock: systemClock, signal: stop };
    return judgeEnvoy(await examineEnvoy(admin, options), waitMs);
  } finally {
    await dispatcher.destroy();
  }
}

async function clusterReport(values: Values, { env }: CommandContext): Promise<Report> {
  const { kubeconfig } = values;
  const access = await findCluster(kubeconfig === "" ? undefined : kubeconfig, env);
  const api = new HttpKubeApi(access, "pointsman doctor");
  try {
    return judgeCluster(
      await examineCluster(api, {
        group: values["pool-group"],
        namespace: namespaceOf(values, env),
        name: values["pool-name"],
        account: accountIn(values["service-account"]),
      }),
    );
  } finally {
    await api.close();
  }
}

function accountIn(
  text: string,
): { readonly namespace: string; readonly name: string } | undefined {
  if (text === "") return undefined;
  const [namespace = "", name = "", ...more] = text.split("/");
  if (namespace !== "" && name !== "" && more.length === 0) return { namespace, name };
  throw new UsageError([
    `invalid argument ${JSON.stringify(text)} for --service-account: want NAMESPACE/NAME`,
  ]);
}

async function enginesReport(values: Values, { stop }: CommandContext): Promise<Report> {
  const endpoints = values.endpoints.map((text) => addressIn("endpoints", text));
  if (endpoints.length > endpointsMax) {
    throw new UsageError([`--endpoints: want ${endpointsMax} at most, got ${endpoints.length}`]);
  }
  const metricsUrlsOf = metricsUrlsBy(values);
  const key = values["engine-key-file"];
  const token = key === "" ? undefined : (await textOf("engine-key-file", key)).trim();
  const certificates = new SeenCertificates();
  const dispatcher = new Agent({ connect: certificates.watched(connectorOf(values)) });
  try {
    const options = {
      metricsUrlsOf,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      hasTrial: values.try,
      dispatcher,
      clock: systemClock,
      signal: stop,
    };
    const engines = await Promise.all(endpoints.map((each) => examineEngine(each, options)));
    const nowMs = systemClock.wallMs();
    const expiring = endpoints.flatMap(({ host }) =>
      certificateFindings(host, certificates.lifeOf(host), nowMs),
    );
    return merged([judgeEngines(engines), { findings: expiring, notChecked: [] }]);
  } finally {
    await dispatcher.destroy();
  }
}

/** The way to engines. `--ca-file` counts for them too, unless they have a file of their own. */
function connectorOf(values: Values): buildConnector.BuildOptions {
  const given = engineTlsOf(values);
  const options = { ...given, caPath: given.caPath ?? (values["ca-file"] || undefined) };
  // Files of their own have been checked, and the usual authorities take long to read.
  const mistake = options.caPath === given.caPath ? undefined : mistakeInFiles(options);
  if (mistake !== undefined) throw new UsageError([`--ca-file: ${mistake}`]);
  const tls = new ClientTls(options, { name: "engine certificates", clock: systemClock, ...quiet });
  const { insecureSkipVerify, serverName } = options;
  return {
    allowH2: false,
    secureContext: tls.context,
    rejectUnauthorized: !insecureSkipVerify,
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

/** Its files are read once. */
const quiet = { log: () => undefined, onReplaced: () => undefined };

function addressIn(flag: "endpoints" | "envoy", text: string): URL {
  const url = URL.parse(/^https?:\/\//u.test(text) ? text : `http://${text}`);
  if (url !== null && url.pathname === "/" && url.search === "" && url.username === "") return url;
  throw new UsageError([
    `invalid argument ${JSON.stringify(text)} for --${flag}: want a URL such as http://10.0.0.1:8000`,
  ]);
}

function metricsUrlsBy(values: Values): (endpoint: URL) => readonly URL[] {
  const { path, port } = metricsPlaceIn(values);
  return (endpoint) =>
    [...new Set([path, otherMetricsPath])].map((each) => {
      const url = new URL(each, endpoint);
      if (port !== undefined) url.port = String(port);
      return url;
    });
}

async function textOf(flag: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new UsageError([`--${flag}: ${reasonOf(cause)}`]);
  }
}
