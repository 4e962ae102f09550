import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { hostPortOf } from "../../std/host-port.ts";
import { reasonOf } from "../../std/reason-of.ts";

/** The kubelet mounts the credentials of a pod's ServiceAccount here. */
const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

type Environment = Readonly<Record<string, string | undefined>>;

/** TLS of the connection to the API server, in terms of `node:tls`. */
export interface ClusterTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Credentials of a request to the API server. Tokens and certificates change while the picker runs.
 */
interface ClusterCredentials {
  readonly tls: ClusterTls;
  readonly headers: Readonly<Record<string, string>>;
}

/** An API server and the means to access it. */
export interface ClusterAccess {
  /** Base URL without a slash at its end. */
  readonly server: string;
  /** Origin of the access, for people. */
  readonly source: string;
  /** True if it is the cluster of the pod that this process runs in. */
  readonly isInCluster: boolean;
  /** The current credentials. */
  credentials(): Promise<ClusterCredentials>;
}

/**
 * Finds the API server as other Kubernetes programs do: the named kubeconfig, the ones `KUBECONFIG`
 * names, the pod's own ServiceAccount, `~/.kube/config`. Rejects with one readable line.
 */
export async function findCluster(
  kubeconfig: string | undefined,
  env: Environment,
): Promise<ClusterAccess> {
  if (kubeconfig !== undefined) return kubeconfigAccess({ files: [kubeconfig] });
  const named = (env["KUBECONFIG"] ?? "").split(path.delimiter).filter((file) => file !== "");
  if (named.length > 0) return kubeconfigAccess({ files: named });
  if (isInCluster(env)) return inClusterAccess(env);
  const usual = path.join(homedir(), ".kube", "config");
  if (existsSync(usual)) return kubeconfigAccess({ files: [usual] });
  throw new Error(
    "no Kubernetes API server found: not running in a pod with a ServiceAccount token, and none of --kubeconfig, KUBECONFIG and ~/.kube/config exists; without Kubernetes, list the endpoints in a file (dataLayer.discovery with file-discovery)",
  );
}

/** True if this process runs in a pod with access to its API server. */
function isInCluster(env: Environment): boolean {
  return (
    (env["KUBERNETES_SERVICE_HOST"] ?? "") !== "" &&
    existsSync(path.join(serviceAccountFolder, "token"))
  );
}

/**
 * The access of a pod, read from files that the kubelet mounts. `@kubernetes/client-node` could do
 * the same at the cost of 60 MB of resident memory and 600 ms at the start, so it is only loaded
 * for kubeconfig files.
 */
function inClusterAccess(env: Environment): ClusterAccess {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = Number(env["KUBERNETES_SERVICE_PORT"] ?? "443");
  return {
    server: `https://${hostPortOf(host, port)}`,
    source: "service account",
    isInCluster: true,
    async credentials() {
      const [ca, token] = await Promise.all([mounted("ca.crt"), mounted("token")]);
      return { tls: { ca }, headers: { authorization: `Bearer ${token.trim()}` } };
    },
  };
}

function mounted(name: string): Promise<string> {
  return readFile(path.join(serviceAccountFolder, name), "utf8");
}

/**
 * The access of a kubeconfig, with all credentials that such a file may have: exec plugins, OIDC,
 * files.
 */
async function kubeconfigAccess({
  files,
}: {
  readonly files: readonly string[];
}): Promise<ClusterAccess> {
  // Loaded here, so that a picker without a kubeconfig does not pay for the library.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const [first = "", ...others] = files;
  const config = new KubeConfig();
  try {
    config.loadFromFile(first);
    for (const file of others) {
      const other = new KubeConfig();
      other.loadFromFile(file);
      config.mergeConfig(other);
    }
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new Error(`kubeconfig ${files.join(", ")}: ${reason}`, { cause });
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(
      `kubeconfig ${files.join(", ")}: its current context ${JSON.stringify(config.getCurrentContext())} names no cluster in it`,
    );
  }
  if (cluster.proxyUrl !== undefined && cluster.proxyUrl !== "") {
    throw new Error(`kubeconfig ${files.join(", ")}: proxy-url is not supported`);
  }
  return {
    server: cluster.server.replace(/\/+$/, ""),
    source: `kubeconfig ${files.join(", ")}`,
    isInCluster: false,
    async credentials() {
      const options: Parameters<typeof config.applyToHTTPSOptions>[0] = {};
      await config.applyToHTTPSOptions(options);
      return { tls: tlsOf(options), headers: headersOf(options) };
    },
  };
}

type HttpsOptions = Readonly<Record<string, unknown>>;

function tlsOf(options: object): ClusterTls {
  const { ca, cert, key, servername, rejectUnauthorized } = options as HttpsOptions;
  return {
    ...(ca == null ? {} : { ca: textOf(ca) }),
    ...(cert == null ? {} : { cert: textOf(cert) }),
    ...(key == null ? {} : { key: textOf(key) }),
    ...(typeof servername === "string" ? { servername } : {}),
    ...(typeof rejectUnauthorized === "boolean" ? { rejectUnauthorized } : {}),
  };
}

/** PEM as text; the library returns buffers. */
function textOf(pem: unknown): string {
  return Buffer.isBuffer(pem) ? pem.toString("utf8") : String(pem);
}

function headersOf(options: object): Record<string, string> {
  const { headers = {}, auth } = options as HttpsOptions;
  const basic =
    typeof auth === "string"
      ? { authorization: `Basic ${Buffer.from(auth).toString("base64")}` }
      : {};
  const given = Object.entries(headers as object).map(([name, value]) => [
    name.toLowerCase(),
    String(value).trim(),
  ]);
  return { ...basic, ...(Object.fromEntries(given) as Record<string, string>) };
}
