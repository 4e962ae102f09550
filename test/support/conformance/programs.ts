import type { Container, Pod } from "./kinds.ts";
import type { PodNetwork } from "./node-network.ts";
import { asPod, type PodCommand } from "../kube/pod-mount.ts";
import type { ControlPlane } from "../kube/control-plane.ts";

interface ProgramsOptions {
  readonly plane: ControlPlane;
  readonly echo: string;
  readonly envoy: string;
  /** The document that pickers load. */
  readonly pickerConfigFile: string;
}

/** How the process of a container is started in its pod. */
export type Programs = (pod: Pod, container: Container, network: PodNetwork) => Promise<PodCommand>;

/** What stands for images: the part of their name that says which, and the program. */
export function programsOf(options: ProgramsOptions): Programs {
  return async (pod, container, network) => {
    const { image, args = [] } = container;
    if (image.includes("/echo-basic:")) {
      return { line: network.command([options.echo]), env: envOf(pod, container, network) };
    }
    if (image.includes("/lwepp:")) {
      const { metadata, spec } = pod;
      const token = await options.plane.client.tokenOf({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: spec.serviceAccountName ?? "default", namespace: metadata.namespace },
      });
      const line = [process.execPath, "src/main.ts", ...args];
      const command = asPod(options.plane, { network, token }, line);
      const env = { ...envOf(pod, container, network), ...pickerEnv(options.pickerConfigFile) };
      return { line: command.line, env: { ...command.env, ...env } };
    }
    if (image === envoyImage) return { line: network.command([options.envoy, ...args]), env: {} };
    throw new Error(`no program stands for the image ${image}`);
  };
}

export const envoyImage = "envoy";

/** The suite chooses endpoints by plugins, which none of its arguments names. */
function pickerEnv(configFile: string): Readonly<Record<string, string>> {
  return { POINTSMAN_CONFIG_FILE: configFile, POINTSMAN_ENABLE_CONFORMANCE_PLUGINS: "true" };
}

function envOf({ metadata }: Pod, { env = [] }: Container, { address }: PodNetwork) {
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "status.podIP": address,
  };
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => {
      const path = valueFrom?.fieldRef?.fieldPath;
      const text = path === undefined ? (value ?? "") : fields[path];
      if (text === undefined)
        throw new Error(`${name} is of the field ${path}, which has no value here`);
      return [name, text];
    }),
  );
}
