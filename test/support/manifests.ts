import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";

export const manifestsFolder = "manifests";
export const chartFolder = path.join(manifestsFolder, "chart", "pointsman");
export const overlaysFolder = path.join(manifestsFolder, "overlays");

const probe = z.object({
  grpc: z.object({ port: z.number(), service: z.string() }).optional(),
});

const container = z.object({
  name: z.string(),
  image: z.string().optional(),
  args: z.array(z.string()).default([]),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  startupProbe: probe.optional(),
  securityContext: z.record(z.string(), z.unknown()).optional(),
});

const rule = z.object({
  apiGroups: z.array(z.string()).default([]),
  resources: z.array(z.string()).default([]),
  resourceNames: z.array(z.string()).optional(),
  nonResourceURLs: z.array(z.string()).optional(),
  verbs: z.array(z.string()),
});

/** What is looked at of an object; the rest of it stays. */
const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  rules: z.array(z.looseObject({})).optional(),
  data: z.record(z.string(), z.string()).optional(),
});

const workload = z.object({
  spec: z.object({
    replicas: z.number().optional(),
    strategy: z
      .object({
        rollingUpdate: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
      })
      .optional(),
    template: z.object({
      spec: z.looseObject({
        enableServiceLinks: z.boolean().optional(),
        terminationGracePeriodSeconds: z.number().optional(),
        securityContext: z.record(z.string(), z.unknown()).optional(),
        containers: z.array(container),
      }),
    }),
  }),
});

const policy = z.object({ rules: z.array(rule) });

const kustomization = z.object({
  kind: z.enum(["Kustomization", "Component"]),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z.array(z.object({ files: z.array(z.string()) })).default([]),
  patches: z
    .array(z.object({ path: z.string().optional(), patch: z.string().optional() }))
    .default([]),
});

const jsonPatch = z.array(
  z.object({ op: z.string(), path: z.string(), value: z.unknown().optional() }),
);

export type Manifest = z.infer<typeof manifest>;
export type Container = z.infer<typeof container>;
type Rule = z.infer<typeof rule>;

/** A folder with a kustomization, and the files it names, as paths from the checkout. */
export interface KustomizationFolder {
  readonly folder: string;
  readonly files: readonly string[];
  readonly folders: readonly string[];
  /** Values that its JSON patches put among the arguments of a container. */
  readonly addedArgs: readonly string[];
}

/** The objects of a stream of YAML documents. */
export function manifestsIn(text: string): Manifest[] {
  return documentsOf(text).map((document) => manifest.parse(document));
}

export function kustomizationsIn(folder: string): KustomizationFolder[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => path.basename(file) === "kustomization.yaml")
    .toSorted()
    .map((file) => kustomizationOf(path.join(folder, path.dirname(file))));
}

function kustomizationOf(folder: string): KustomizationFolder {
  const text = readFileSync(path.join(folder, "kustomization.yaml"), "utf8");
  const read = kustomization.parse(documentsOf(text)[0]);
  const files = [
    ...read.resources.filter(isFile),
    ...read.configMapGenerator.flatMap((generator) => generator.files),
    ...read.patches.flatMap((patch) => (patch.path === undefined ? [] : [patch.path])),
  ];
  const folders = [...read.resources.filter((name) => !isFile(name)), ...read.components];
  const operations = read.patches.flatMap(({ patch }) =>
    patch === undefined ? [] : jsonPatch.parse(documentsOf(patch)[0]),
  );
  return {
    folder,
    files: files.map((file) => path.join(folder, file)),
    folders: folders.map((other) => path.join(folder, other)),
    addedArgs: operations
      .filter(({ op, path: place }) => op !== "test" && place.includes("/args/"))
      .map(({ value }) => z.string().parse(value)),
  };
}

function isFile(name: string): boolean {
  return path.extname(name) !== "";
}

/** The containers of a Deployment; those of other objects are none. */
export function containersOf(object: Manifest): Container[] {
  return object.kind === "Deployment" ? workloadOf(object).template.spec.containers : [];
}

export function workloadOf(object: Manifest): z.infer<typeof workload>["spec"] {
  return workload.parse(object).spec;
}

/** What a role allows, a line for each resource: `get,list pods`. */
export function grantsOf(object: Manifest): string[] {
  return policy.parse(object).rules.flatMap(grantsOfRule).toSorted();
}

function grantsOfRule({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: Rule) {
  const may = verbs.join(",");
  if (nonResourceURLs !== undefined) return nonResourceURLs.map((url) => `${may} ${url}`);
  const only = resourceNames === undefined ? "" : ` ${resourceNames.join(",")}`;
  return apiGroups.flatMap((group) =>
    resources.map((resource) => `${may} ${resource}${group === "" ? "" : `.${group}`}${only}`),
  );
}

function documentsOf(text: string): unknown[] {
  const documents = parseAllDocuments(text);
  if (!Array.isArray(documents)) return [];
  for (const { errors } of documents) {
    if (errors[0] !== undefined) throw errors[0];
  }
  return documents
    .map((document): unknown => document.toJS())
    .filter((document) => document !== null && document !== undefined);
}
