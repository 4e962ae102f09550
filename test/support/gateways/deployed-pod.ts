import { z } from "zod";
import type { KubeClient, KubeObject } from "../kube/client.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import { nodeName } from "./node.ts";
import { type Hosts, layPodFiles, type PodFiles } from "./pod-files.ts";

const fieldSchema = z.object({ fieldPath: z.string() });

const volumeSchema = z.object({
  name: z.string(),
  emptyDir: z.unknown().optional(),
  secret: z.object({ secretName: z.string(), optional: z.boolean().default(false) }).optional(),
  configMap: z
    .object({
      name: z.string(),
      optional: z.boolean().default(false),
      items: z.array(z.object({ key: z.string(), path: z.string() })).optional(),
    })
    .optional(),
  downwardAPI: z
    .object({ items: z.array(z.object({ path: z.string(), fieldRef: fieldSchema })) })
    .optional(),
  projected: z
    .object({
      sources: z.array(
        z.object({
          serviceAccountToken: z.object({ path: z.string(), audience: z.string().optional() }),
        }),
      ),
    })
    .optional(),
});

const variableSchema = z.object({
  name: z.string(),
  value: z.string().default(""),
  valueFrom: z.object({ fieldRef: fieldSchema.optional() }).optional(),
});

const labelsSchema = z.record(z.string(), z.string()).default({});

const deploymentSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: labelsSchema, annotations: labelsSchema }),
      spec: z.object({
        serviceAccountName: z.string().default("default"),
        containers: z.array(
          z.object({
            args: z.array(z.string()),
            env: z.array(variableSchema).default([]),
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
  readonly name: string;
  /** As the pod sees them, its variables put in. */
  readonly args: readonly string[];
  /** Those of the container; what comes from limits is left out, for nothing limits it here. */
  readonly env: Readonly<Record<string, string>>;
  readonly files: PodFiles;
}

interface DeployedPodOptions {
  readonly client: KubeClient;
  readonly network: NetworkNamespace;
  readonly deployment: KubeObject;
  readonly hosts: Hosts;
  /** Contents of the image by path, where the program needs any. */
  readonly imageFiles?: Readonly<Record<string, string>>;
}

/** Reads what the Deployment mounts and lays it where it wants it. */
export async function deployedPod(options: DeployedPodOptions): Promise<DeployedPod> {
  const { client, network, hosts, imageFiles = {} } = options;
  const { metadata, spec } = deploymentSchema.parse(options.deployment);
  const { containers, volumes, serviceAccountName } = spec.template.spec;
  const [container] = containers;
  if (container === undefined) throw new Error("a Deployment has a container");
  const { namespace } = metadata;
  const pod: Pod = {
    ...{ namespace, serviceAccountName, ...spec.template.metadata },
    name: `${metadata.name}-7c9d8-x2x4z`,
    ip: network.address,
  };

  const files: Record<string, string> = { ...imageFiles };
  for (const { name, mountPath } of container.volumeMounts) {
    const volume = volumes.find((each) => each.name === name);
    if (volume === undefined) throw new Error(`the Deployment has no volume ${name}`);
    const contents = await contentsOf(client, pod, volume);
    for (const [file, content] of Object.entries(contents)) files[`${mountPath}/${file}`] = content;
  }
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env) {
    if (valueFrom === undefined) env[name] = value;
    else if (valueFrom.fieldRef !== undefined) env[name] = fieldOf(pod, valueFrom.fieldRef);
  }
  const args = container.args.map((arg) =>
    arg.replaceAll(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole),
  );
  const folders = container.volumeMounts.map(({ mountPath }) => mountPath);
  return {
    ...{ name: pod.name, args, env },
    files: layPodFiles({ network, hosts, files, folders }),
  };
}

interface Pod {
  readonly name: string;
  readonly namespace: string;
  readonly ip: string;
  readonly serviceAccountName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A field of the pod; one that it does not have is empty, as for a kubelet. */
function fieldOf(pod: Pod, { fieldPath }: z.infer<typeof fieldSchema>): string {
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath);
  if (entry !== null) return pod[entry[1] as "labels" | "annotations"][entry[2] ?? ""] ?? "";
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": pod.name,
    "metadata.namespace": pod.namespace,
    "metadata.labels": linesOf(pod.labels),
    "metadata.annotations": linesOf(pod.annotations),
    "spec.serviceAccountName": pod.serviceAccountName,
    "spec.nodeName": nodeName,
    "status.podIP": pod.ip,
    "status.hostIP": pod.ip,
  };
  const field = fields[fieldPath];
  if (field === undefined) throw new Error(`a field of pods that is not known here: ${fieldPath}`);
  return field;
}

function linesOf(entries: Readonly<Record<string, string>>): string {
  return Object.entries(entries)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    .join("");
}

type Contents = Readonly<Record<string, string>>;

/** What is in a volume, by path. */
async function contentsOf(
  client: KubeClient,
  pod: Pod,
  volume: z.infer<typeof volumeSchema>,
): Promise<Contents> {
  const { namespace } = pod;
  const { secret, configMap, downwardAPI, projected } = volume;
  if (secret !== undefined)
    return secretFiles(client, { ...secret, name: secret.secretName, namespace });
  if (configMap !== undefined) return configMapFiles(client, { ...configMap, namespace });
  if (downwardAPI !== undefined) {
    const { items } = downwardAPI;
    return Object.fromEntries(items.map((item) => [item.path, fieldOf(pod, item.fieldRef)]));
  }
  if (projected !== undefined) return tokensOf(client, pod, projected);
  if ("emptyDir" in volume) return {};
  throw new Error(`the volume ${volume.name} is of another kind`);
}

interface DataVolume {
  readonly name: string;
  readonly namespace: string;
  /** Nothing is in it, rather than an error, where there is no such object. */
  readonly optional?: boolean;
}

interface ConfigMapVolume extends DataVolume {
  readonly items?: readonly { readonly key: string; readonly path: string }[] | undefined;
}

async function configMapFiles(client: KubeClient, volume: ConfigMapVolume): Promise<Contents> {
  const data = await dataOf(client, "ConfigMap", volume);
  const items = volume.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return Object.fromEntries(items.map(({ key, path }) => [path, data[key] ?? ""]));
}

/** The contents of a Secret by key. */
export async function secretFiles(client: KubeClient, volume: DataVolume): Promise<Contents> {
  const data = await dataOf(client, "Secret", volume);
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]),
  );
}

async function dataOf(
  client: KubeClient,
  kind: "ConfigMap" | "Secret",
  { name, namespace, optional = false }: DataVolume,
): Promise<Contents> {
  const ref = { apiVersion: "v1", kind, metadata: { name, namespace } };
  const object = optional ? await client.find(ref) : await client.get(ref);
  return object === undefined ? {} : dataSchema.parse(object).data;
}

async function tokensOf(
  client: KubeClient,
  { serviceAccountName: name, namespace }: Pod,
  { sources }: NonNullable<z.infer<typeof volumeSchema>["projected"]>,
): Promise<Contents> {
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
  const contents: Record<string, string> = {};
  for (const { serviceAccountToken } of sources) {
    const { path, audience } = serviceAccountToken;
    contents[path] = await client.tokenOf(account, audience);
  }
  return contents;
}
