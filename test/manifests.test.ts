import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseFlags } from "../src/cli/flags.ts";
import { serveFlags } from "../src/cli/serve-flags.ts";
import {
  chartFolder,
  containersOf,
  grantsOf,
  kustomizationsIn,
  manifestsFolder,
  manifestsIn,
  workloadOf,
  type Manifest,
} from "#test/support/manifests.ts";
import { built } from "./generate/effective-documents.ts";

const kustomizations = kustomizationsIn(manifestsFolder);
const manifestFiles = filesOf(manifestsFolder).filter(
  (file) => file.endsWith(".yaml") && !file.startsWith(chartFolder),
);
/** Envoy's bootstrap and the picker's document are not objects of a cluster. */
const objectFiles = manifestFiles.filter(
  (file) => !/(?:envoy|picker|kustomization)\.yaml$/.test(file),
);
const read = (file: string) => readFileSync(file, "utf8");

describe("the kustomizations", () => {
  it.each(kustomizations)("$folder names files and folders that are there", (one) => {
    const folders = one.folders.map((folder) => path.join(folder, "kustomization.yaml"));
    expect([...one.files, ...folders].filter((file) => !existsSync(file))).toEqual([]);
  });

  it("name every file", () => {
    const named = new Set(kustomizations.flatMap(({ files }) => files));
    const own = manifestFiles.filter((file) => path.basename(file) !== "kustomization.yaml");
    expect(own.filter((file) => !named.has(file))).toEqual([]);
  });

  it("use every component in an overlay", () => {
    const used = new Set(kustomizations.flatMap(({ folders }) => folders));
    const components = kustomizationsIn(path.join(manifestsFolder, "components"));
    expect(components.map(({ folder }) => folder).filter((one) => !used.has(one))).toEqual([]);
  });

  it("hold a document that loads without a warning", () => {
    expect(built(read(path.join(manifestsFolder, "base", "picker.yaml")))).toMatchObject({
      kind: "built",
      build: { plan: { warnings: [] } },
    });
  });
});

describe("the flags of manifests", () => {
  it.each(argsOfManifests())("%s is one that serve takes, and does what it says", (arg) => {
    // Where the chart fills in a value, any that fits will do.
    const word = arg.replace(/\{\{ int .*\}\}/, "1").replace(/=.*drainTimeout.*/, "=30s");
    expect(parseFlags(serveFlags, [word], {})).toMatchObject({ kind: "parsed", warnings: [] });
  });

  it("are all known to the schema of the chart's values, and the schema knows no others", () => {
    const known = /"propertyNames": \{\s*"enum": (?<list>\[[^\]]*\])/.exec(
      read(path.join(chartFolder, "values.schema.json")),
    );
    const aliases = Object.values(serveFlags).flatMap((flag) =>
      "aliases" in flag ? flag.aliases : [],
    );
    expect(JSON.parse(known?.groups?.["list"] ?? "[]")).toEqual(
      [...Object.keys(serveFlags), ...aliases].toSorted(),
    );
  });
});

describe("the routes", () => {
  const template = path.join(chartFolder, "templates", "_envoy-config.tpl");
  const envoys = [...manifestFiles, template, "docs/behind-envoy.md"].filter((file) =>
    read(file).includes("route: {cluster: models"),
  );
  const httpRoutes = manifestFiles.filter((file) => /^kind: HTTPRoute$/m.test(read(file)));

  it.each(envoys)("of %s cut no stream that goes on, and end one that is silent", (file) => {
    const timeouts = /cluster: models, timeout: (?<limit>.*)s, idle_timeout: (?<silence>\d+)s\}/;
    const { limit, silence } = timeouts.exec(read(file))?.groups ?? {};
    expect(limit).toMatch(/^(?:0|\{\{ int \$proxy.routeTimeoutSeconds \}\})$/);
    expect(Number(silence)).toBeGreaterThan(600);
  });

  it.each(httpRoutes)("of %s cut no stream", (file) => {
    expect(read(file)).toContain("request: 0s");
  });

  it("of the chart cut no stream unless told to", () => {
    const values = read(path.join(chartFolder, "values.yaml"));
    expect(values).toContain("routeTimeoutSeconds: 0\n");
    expect(values).toContain("requestTimeout: 0s\n");
  });

  it("are there", () => {
    expect([envoys.length, httpRoutes.length]).toEqual([3, 2]);
  });
});

describe("the base", () => {
  const picker = only("Deployment", "pointsman");
  const { template, strategy } = workloadOf(picker);
  const [epp] = containersOf(picker);

  it("asks health services by name that the picker has", () => {
    const services = [epp?.livenessProbe, epp?.startupProbe, epp?.readinessProbe].map(
      (probe) => probe?.grpc,
    );
    expect(services).toEqual([
      { port: 9003, service: "liveness" },
      { port: 9003, service: "liveness" },
      { port: 9003, service: "readiness" },
    ]);
    const health = read("src/data-plane/ingress/grpc/health.ts");
    for (const name of ["liveness", "readiness"]) expect(health).toContain(`"${name}"`);
  });

  it("runs without privileges and with a root that nobody writes", () => {
    expect(template.spec.securityContext).toEqual({
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    });
    expect(epp?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("gives draining the time that it takes", () => {
    const parsed = parseFlags(serveFlags, epp?.args ?? [], {});
    const drainMs = parsed.kind === "parsed" ? parsed.values["drain-timeout"] : Infinity;
    expect((template.spec.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(drainMs);
  });

  it("replaces a replica after the next one is ready", () => {
    expect(strategy?.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
  });

  it("keeps the variables that Kubernetes makes of Services away from the flags", () => {
    expect(template.spec.enableServiceLinks).toBe(false);
  });
});

describe("the rights of the picker", () => {
  const reads = "get,list,watch";
  const old = "inference.networking.x-k8s.io";

  it.each([
    {
      kind: "Role",
      name: "pointsman",
      grants: [
        `${reads} inferencemodelrewrites.${old}`,
        `${reads} inferencemodelrewrites.llm-d.ai`,
        `${reads} inferenceobjectives.${old}`,
        `${reads} inferenceobjectives.llm-d.ai`,
        `${reads} pods`,
      ],
    },
    {
      kind: "Role",
      name: "pointsman-pool",
      grants: [
        `${reads} inferencepools.inference.networking.k8s.io`,
        `${reads} inferencepools.${old}`,
      ],
    },
    {
      kind: "Role",
      name: "pointsman-service",
      grants: [`${reads} endpointslices.discovery.k8s.io`, `${reads} services`],
    },
    {
      kind: "Role",
      name: "pointsman-config",
      grants: ["create events", `${reads} configmaps pointsman`],
    },
    {
      kind: "Role",
      name: "pointsman-leader-election",
      grants: ["create,get,list,update,watch leases.coordination.k8s.io"],
    },
    {
      kind: "ClusterRole",
      name: "pointsman-metrics-auth",
      grants: [
        "create subjectaccessreviews.authorization.k8s.io",
        "create tokenreviews.authentication.k8s.io",
      ],
    },
    {
      kind: "ClusterRole",
      name: "pointsman-metrics-reader",
      grants: ["get /debug/*", "get /explain", "get /metrics"],
    },
  ])("of $kind $name are these and no more", ({ kind, name, grants }) => {
    expect(grantsOf(only(kind, name))).toEqual(grants);
  });

  it("are in no other role", () => {
    const roles = objects().filter(
      ({ kind, rules }) => kind.endsWith("Role") && rules !== undefined,
    );
    expect(roles).toHaveLength(7);
  });
});

describe("the images of manifests", () => {
  const images = objects().flatMap((object) => containersOf(object).map(({ image }) => image));

  it("have a version", () => {
    expect(images.length).toBeGreaterThan(1);
    for (const image of images.filter((one) => one !== undefined)) {
      expect(image).toMatch(/:(?!latest$)[-.\w]*\d[-.\w]*$/);
    }
  });

  it("are of the version of this package, as is the chart", () => {
    const [, version = ""] = /"version": "(.+)"/.exec(read("package.json")) ?? [];
    expect(images).toContain(`pointsman:${version}`);
    const chart = read(path.join(chartFolder, "Chart.yaml"));
    expect(chart).toContain(`\nversion: ${version}\n`);
    expect(chart).toContain(`\nappVersion: ${version}\n`);
  });
});

describe("docs/install.md", () => {
  const page = read("docs/install.md");

  it.each(readdirSync(path.join(manifestsFolder, "overlays")))("lists the overlay %s", (name) => {
    expect(page).toContain(`\n| \`${name}\` |`);
  });

  it("says why for every role", () => {
    const roles = objects().filter(({ kind }) => kind === "Role" || kind === "ClusterRole");
    const silent = roles.filter(({ metadata }) => !page.includes(`\n| \`${metadata.name}\``));
    expect(silent.map(({ metadata }) => metadata.name)).toEqual([]);
  });
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((file) => path.join(folder, file));
}

/** Every object that is not only there to be deleted. */
function objects(): Manifest[] {
  return objectFiles
    .flatMap((file) => manifestsIn(read(file)))
    .filter(({ $patch }) => $patch === undefined);
}

function only(kind: string, name: string): Manifest {
  const found = objects().find(
    (object) =>
      object.kind === kind &&
      object.metadata.name === name &&
      (kind !== "Deployment" || containersOf(object).some(({ image }) => image !== undefined)),
  );
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

function argsOfManifests(): string[] {
  const written = objects()
    .flatMap(containersOf)
    .filter(({ name }) => name === "epp")
    .flatMap(({ args }) => args);
  const patched = kustomizations.flatMap(({ addedArgs }) => addedArgs);
  const ofTheChart = read(path.join(chartFolder, "templates", "_modes.tpl")).matchAll(
    /^- (?<arg>--\S.*)$/gm,
  );
  return [
    ...new Set([
      ...written,
      ...patched,
      ...[...ofTheChart].map(({ groups }) => groups?.["arg"] ?? ""),
    ]),
  ];
}
