import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { medianOf } from "../../src/replay/lab/measures.ts";
import type { CellGroup } from "./report.ts";

const width = 720;
const height = 420;

export interface Plot {
  /** Without a folder. */
  readonly file: string;
  readonly svg: string;
}

interface Axis {
  readonly name: "load" | "engines";
  readonly title: string;
}

const loadAxis: Axis = { name: "load", title: "share of capacity" };
const poolAxis: Axis = { name: "engines", title: "engines" };

/** Mean TTFT by policy: of each workload against load, and against pool size, where there is more than one. */
export function plotsOf(groups: readonly CellGroup[]): readonly Plot[] {
  use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const names = [...new Set(groups.map(({ workload }) => workload))];
  return names.flatMap((workload) => {
    const ofWorkload = groups.filter((group) => group.workload === workload);
    const byPool = slicesOf(ofWorkload, "engines").map((slice) =>
      plotOf(slice, loadAxis, `${slice[0]?.engines} engines`),
    );
    const byLoad = slicesOf(ofWorkload, "load").map((slice) =>
      plotOf(slice, poolAxis, `${slice[0]?.load} of capacity`),
    );
    return [...byPool, ...byLoad].filter((plot) => plot !== undefined);
  });
}

/** Groups that have one of the numbers in common, by that number. */
function slicesOf(groups: readonly CellGroup[], of: Axis["name"]): readonly CellGroup[][] {
  const values = [...new Set(groups.map((group) => group[of]))];
  return values.map((value) => groups.filter((group) => group[of] === value));
}

/** Undefined for a single point. */
function plotOf(groups: readonly CellGroup[], axis: Axis, of: string): Plot | undefined {
  const [first] = groups;
  if (first === undefined || groups.length < 2) return undefined;
  const policies = [...new Set(groups.flatMap(({ byPolicy }) => [...byPolicy.keys()]))];
  const chart = init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#fff",
    title: { text: `${first.workload}: mean TTFT, ${of}`, left: "center" },
    legend: { bottom: 0 },
    grid: { left: 70, right: 30, top: 50, bottom: 90 },
    xAxis: {
      type: axis.name === "engines" ? "log" : "value",
      name: axis.title,
      nameLocation: "middle",
      nameGap: 28,
      min: "dataMin",
      max: "dataMax",
    },
    // Policies differ by orders of magnitude where one collapses.
    yAxis: { type: "log", name: "seconds" },
    series: policies.map((policy) => ({
      type: "line",
      name: policy,
      data: groups.flatMap((group) => {
        const seeds = group.byPolicy.get(policy);
        return seeds === undefined
          ? []
          : [[group[axis.name], medianOf(seeds.map(({ ttftS }) => ttftS.mean))]];
      }),
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  const suffix = axis.name === "load" ? `${first.engines}-engines` : `load-${first.load}`;
  return { file: `${nameOf(first.workload)}-${suffix}.svg`, svg };
}

/** The name of a workload that may be a path. */
function nameOf(workload: string): string {
  return workload.replaceAll(/[^\w.-]+/g, "-");
}
