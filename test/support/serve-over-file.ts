import { writeFile } from "node:fs/promises";
import path from "node:path";

interface FileEndpoint {
  readonly address: string;
  readonly port: number;
}

/** Arguments of `serve` on free ports of loopback, for one endpoint that it finds in a file of `folder`. */
export async function serveOverFile(
  folder: string,
  endpoint: FileEndpoint,
): Promise<readonly string[]> {
  const endpointsFile = path.join(folder, "endpoints.json");
  const configFile = path.join(folder, "config.yaml");
  const endpoints = [{ name: "e0", namespace: "default", ...endpoint }];
  await writeFile(endpointsFile, JSON.stringify({ endpoints }));
  await writeFile(
    configFile,
    `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- {type: file-discovery, parameters: {path: ${endpointsFile}}}
dataLayer: {discovery: {pluginRef: file-discovery}}
`,
  );
  return [
    ...["serve", "--config-file", configFile, "--bind-address", "127.0.0.1"],
    ...["--grpc-port", "0", "--grpc-health-port", "0", "--metrics-port", "0"],
    "--secure-serving=false",
  ];
}
