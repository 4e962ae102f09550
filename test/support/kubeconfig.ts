import { freePort } from "./free-port.ts";

/** A kubeconfig of one cluster and one user. */
export function kubeconfigText({
  server,
  token = "nobody",
  caFile,
}: {
  readonly server: string;
  readonly token?: string;
  readonly caFile?: string;
}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "test",
        cluster: {
          server,
          ...(caFile === undefined ? {} : { "certificate-authority": caFile }),
          // The client library takes cleartext from nobody else.
          ...(server.startsWith("http:") ? { "insecure-skip-tls-verify": true } : {}),
        },
      },
    ],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}

/** A kubeconfig of an API server that nobody runs. */
export async function unreachableKubeconfig(): Promise<string> {
  return kubeconfigText({ server: `https://127.0.0.1:${await freePort()}` });
}
