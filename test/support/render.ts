import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { chartFolder, type Manifest, manifestsIn } from "./manifests.ts";

/** What a chart is told beyond its own values, and the version that the cluster says it is. */
export type ChartValues = object;

const kubeVersion = "1.34.0";

/** The objects of an overlay. */
export function renderOverlay(kustomize: string, folder: string): Manifest[] {
  return manifestsIn(run(kustomize, ["build", folder]));
}

/** The objects of the chart as the release `llm` in the namespace `default`. */
export function renderChart(helm: string, values: ChartValues): Manifest[] {
  const argv = ["template", "llm", chartFolder, "--namespace", "default"];
  const more = ["--kube-version", kubeVersion, "--values", "-"];
  return manifestsIn(run(helm, [...argv, ...more], JSON.stringify(values)));
}

/**
 * What the chart says after an installation. `helm template` leaves it out, and `helm install` wants a
 * cluster: a copy of the chart has it as an object.
 */
export function renderNotes(helm: string, values: ChartValues): string {
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-notes-"));
  try {
    cpSync(chartFolder, folder, { recursive: true });
    const templates = path.join(folder, "templates");
    const notes = readFileSync(path.join(templates, "NOTES.txt"), "utf8");
    writeFileSync(
      path.join(templates, "notes.yaml"),
      `{{- define "notes" -}}${notes}{{- end -}}\n{notes: {{ include "notes" . | toJson }}}\n`,
    );
    const argv = ["template", "llm", folder, "--namespace", "default", "--values", "-"];
    const more = ["--kube-version", kubeVersion, "--show-only", "templates/notes.yaml"];
    const text = run(helm, [...argv, ...more], JSON.stringify(values));
    const found: unknown = parse(text.slice(text.indexOf("{notes:")));
    return z.object({ notes: z.string() }).parse(found).notes;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface ModuleChart {
  readonly chart: string;
  readonly namespace: string;
  /** What it is told beyond its own values. */
  readonly values?: ChartValues;
}

/** The objects of a chart of somebody else's. */
export function renderModuleChart(
  helm: string,
  { chart, namespace, values = {} }: ModuleChart,
): Manifest[] {
  const argv = ["template", "release", chart, "--namespace", namespace, "--values", "-"];
  return manifestsIn(run(helm, argv, JSON.stringify(values)));
}

/** Throws with what the program said, where it ends with an error. */
function run(program: string, argv: readonly string[], input = ""): string {
  return execFileSync(program, argv, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}
