import { stringify } from "yaml";

interface Access {
  readonly url: string;
  readonly caFile: string;
  readonly token: string;
}

/** The text of a kubeconfig that reaches one API server with one token. */
export function kubeconfigOf({ url, caFile, token }: Access): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority": caFile } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}
