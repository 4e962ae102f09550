import { z } from "zod";
import type { KubeClient, KubeObject } from "../kube/client.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import { type Hosts, layPodFiles, type PodFiles } from "./pod-files.ts";

const volumeSchema = z.object({
  name: z.string(),
  secret: z.object({ secretName: z.string() }).optional(),
  configMap: z
    .object({
      name: z.string(),
      items: z.array(z.object({ key: z.string(), path: z.string() })).optional(),
    })
    .optional(),
});

const deploymentSchema = z.object({
  metadata: z.object({ namespace: z.string() }),
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({
            args: z.array(z.string()),
            volumeMounts: z
              .array(z.object({ name: z.string(), mountPath: z.string() }))
              .default([]),
          }),
        ),
        volumes: z.array(volumeSchema).default([]),
      }),
    }),
  }),
});

const dataSchema = z.object({ data: z.record(z.string(), z.string()) });

/** What a kubelet would start for the first container of a Deployment. */
export interface DeployedPod {
  /** As the pod sees them, its variables put in. */
  readonly args: readonly string[];
  readonly files: PodFiles;
}

interface DeployedPodOptions {
  readonly client: KubeClient;
  readonly network: NetworkNamespace;
  readonly deployment: KubeObject;
  readonly hosts: Hosts;
  /** Variables of the container that its arguments name. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** Reads the Secrets and ConfigMaps that the Deployment mounts, and lays them where it wants them. */
export async function deployedPod(options: DeployedPodOptions): Promise<DeployedPod> {
  const { client, network, hosts, variables = {} } = options;
  const { metadata, spec } = deploymentSchema.parse(options.deployment);
  const { containers, volumes } = spec.template.spec;
  const [container] = containers;
  if (container === undefined) throw new Error("a Deployment has a container");
  const files: Record<string, string> = {};
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = volumes.find((each) => each.name === name);
    if (volume === undefined) throw new Error(`the Deployment has no volume ${name}`);
    const contents = await contentsOf(client, metadata.namespace, volume);
    for (const [file, content] of Object.entries(contents)) files[`${mountPath}/${file}`] = content;
  }
  const args = container.args.map((arg) =>
    arg.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => variables[name] ?? whole),
  );
  return { args, files: layPodFiles({ network, hosts, files }) };
}

async function contentsOf(
  client: KubeClient,
  namespace: string,
  { name, secret, configMap }: z.infer<typeof volumeSchema>,
): Promise<Record<string, string>> {
  if (secret !== undefined) return secretFiles(client, { name: secret.secretName, namespace });
  if (configMap === undefined) throw new Error(`the volume ${name} is of another kind`);
  const metadata = { name: configMap.name, namespace };
  const object = await client.get({ apiVersion: "v1", kind: "ConfigMap", metadata });
  const { data } = dataSchema.parse(object);
  const items = configMap.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return Object.fromEntries(items.map(({ key, path }) => [path, data[key] ?? ""]));
}

/** The contents of a Secret by key. */
export async function secretFiles(
  client: KubeClient,
  metadata: { readonly name: string; readonly namespace: string },
): Promise<Record<string, string>> {
  const { data } = dataSchema.parse(
    await client.get({ apiVersion: "v1", kind: "Secret", metadata }),
  );
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
  );
}
