import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { localEnvoyConfigOf } from "../../demo/envoy-config.ts";
import { envoyConfigIn } from "./envoy-config-dump.ts";
import { durationMsOf } from "./envoy-duration.ts";
import { judgeEnvoy } from "./judge-envoy.ts";

const at = (port: number) => ({ address: "127.0.0.1", port });
const good = JSON.stringify(localEnvoyConfigOf(at(1), at(2)));

/** The dump of an Envoy with this bootstrap. */
function dumpOf(bootstrap: string): unknown {
  // The text is made here.
  const { static_resources: parts } = JSON.parse(bootstrap) as {
    readonly static_resources: { readonly listeners: object[]; readonly clusters: object[] };
  };
  return {
    configs: [
      { "@type": "x.BootstrapConfigDump", bootstrap: JSON.parse(bootstrap) },
      {
        "@type": "x.ClustersConfigDump",
        static_clusters: parts.clusters.map((cluster) => ({ cluster })),
      },
      {
        "@type": "x.ListenersConfigDump",
        // Two listeners with the same filter are one finding.
        dynamic_listeners: [...parts.listeners, ...parts.listeners].map((listener) => ({
          active_state: { listener },
        })),
      },
    ],
  };
}

interface Asked {
  readonly bootstrap?: string;
  readonly full?: readonly string[];
  readonly waitMs?: number;
}

/** Findings as `code: what`. */
function found({ bootstrap = good, full = [], waitMs = 0 }: Asked): readonly string[] {
  const config = envoyConfigIn(dumpOf(bootstrap));
  if (config === undefined) throw new Error("not a dump");
  const facts = { url: "http://e", config, fullClusters: new Set(full) };
  return judgeEnvoy(facts, waitMs).findings.map(({ code, what }) => `${code}: ${what}`);
}

/** The good bootstrap with one text in place of another, which it has. */
function changed(pattern: RegExp, replacement: string): string {
  const text = good.replace(pattern, replacement);
  expect(text).not.toBe(good);
  return text;
}

const breakers = /"circuit_breakers":\{"thresholds":\[\{[^}]*\}\]\},/gu;

describe("judgeEnvoy", () => {
  it("finds nothing in the bootstrap of docs/behind-envoy.md", () => {
    expect(found({ waitMs: 60_000 })).toEqual([]);
  });

  it.each([
    [
      "limits of 1,024, because none are set",
      { bootstrap: changed(breakers, "") },
      [
        "envoy-streams-limited: cluster picker takes 1,024 requests at a time (max_requests)",
        "envoy-streams-limited: cluster models takes 1,024 requests at a time (max_requests)",
      ],
    ],
    [
      "thresholds of another priority only",
      {
        bootstrap: changed(
          breakers,
          '"circuit_breakers":{"thresholds":[{"priority":"HIGH","max_requests":9999}]},',
        ),
      },
      [
        "envoy-streams-limited: cluster picker takes 1,024 requests at a time (max_requests)",
        "envoy-streams-limited: cluster models takes 1,024 requests at a time (max_requests)",
      ],
    ],
    [
      "a limit that was reached, whatever it is",
      { full: ["picker", "unknown"] },
      [
        "envoy-streams-full: cluster picker has reached its limit of 100,000 requests at a time (max_requests)",
      ],
    ],
    [
      "Envoy's own message timeout",
      { bootstrap: changed(/"message_timeout":"300s",/u, "") },
      [
        "envoy-message-timeout: message_timeout is 200 ms: a loaded picker or a slow upload takes longer",
      ],
    ],
    [
      "a message timeout shorter than the longest wait",
      {
        bootstrap: changed(/"message_timeout":"300s"/u, '"message_timeout":"5.500s"'),
        waitMs: 60_000,
      },
      ["envoy-message-timeout: message_timeout is 5500 ms: requests may wait 60 s in the picker"],
    ],
    [
      "waits without a limit",
      { waitMs: Number.POSITIVE_INFINITY },
      [
        "envoy-message-timeout: message_timeout is 300000 ms: requests may wait any time in the picker",
      ],
    ],
    [
      "bodies that the picker does not get",
      { bootstrap: changed(/"(?:request|response)_body_mode":"FULL_DUPLEX_STREAMED",/gu, "") },
      [
        "envoy-body-unseen: request_body_mode is NONE",
        "envoy-answers-unseen: response_body_mode is NONE",
      ],
    ],
    [
      "a destination from clients while the picker fails",
      { bootstrap: changed(/"failure_mode_allow":false/u, '"failure_mode_allow":true') },
      ["envoy-fails-open: failure_mode_allow is true, and cluster models is ORIGINAL_DST"],
    ],
    [
      "a limit of whole answers, which is 15 s if it is not set",
      { bootstrap: changed(/"timeout":"0s",/u, "") },
      ["envoy-route-timeout: a route to models has a timeout of 15 s"],
    ],
    [
      "no picker",
      { bootstrap: changed(/ext_proc\.v3\.ExternalProcessor/u, "cors.v3.Cors") },
      ["envoy-no-picker: no listener asks a picker (no filter envoy.filters.http.ext_proc)"],
    ],
  ])("finds %s", (_, asked: Asked, expected) => {
    expect(found(asked)).toEqual(expected);
  });
});

const routesOf = (name: string, route: object) => ({
  route_config: { name, virtual_hosts: [{ routes: [{ match: {}, route }] }] },
});

/** Settings of the one filter. */
const settingsOf = (own?: object) => own && { p: own };
const processor = (parts: object = {}) => ({
  "@type": "type/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
  processing_mode: { request_body_mode: "BUFFERED" },
  ...parts,
});
const perRoute = (parts: object) => ({
  "@type": "type/envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
  ...parts,
});
const overrides = {
  processing_mode: { request_body_mode: "FULL_DUPLEX_STREAMED" },
  grpc_service: { envoy_grpc: { cluster_name: "epp" } },
};
const enabled = { "@type": "type/envoy.config.route.v3.FilterConfig", config: {} };
/** The filters and routes of a manager with one filter, and a route to each cluster with its own settings. */
function read(
  entry: { readonly disabled?: boolean; readonly typed_config: object },
  settings: Readonly<Record<string, object | undefined>>,
  ofHost?: object,
) {
  const routes = Object.entries(settings).map(([cluster, own]) => ({
    match: {},
    route: { cluster },
    typed_per_filter_config: settingsOf(own),
  }));
  const hosts = [{ routes, typed_per_filter_config: settingsOf(ofHost) }];
  const config = envoyConfigIn({
    configs: [{ http_filters: [{ name: "p", ...entry }], route_config: { virtual_hosts: hosts } }],
  });
  return {
    asked: config?.extProcFilters.map(({ cluster, requestBodyMode }) => [cluster, requestBodyMode]),
    routes: config?.routes.map(({ cluster }) => cluster),
  };
}

describe("envoyConfigIn", () => {
  it("reads the routes of listeners that ask a picker, by name and by weight, and no others", () => {
    const picker = { name: "p", typed_config: { "@type": "x.ext_proc.v3.ExternalProcessor" } };
    const config = envoyConfigIn({
      configs: [
        {
          listeners: [
            { http_filters: [picker], rds: { route_config_name: "a" } },
            { http_filters: [], rds: { route_config_name: "b" } },
            { http_filters: [{ name: "cors" }], ...routesOf("c", { cluster: "other" }) },
          ],
        },
        {
          "@type": "x.RoutesConfigDump",
          dynamic_route_configs: [
            routesOf("a", {
              weighted_clusters: { clusters: [{ name: "blue" }, { name: "green" }] },
              timeout: "0s",
            }),
            routesOf("b", { cluster: "shop" }),
          ],
        },
      ],
    });
    expect(config?.routes).toEqual([
      { cluster: "blue", timeoutMs: 0 },
      { cluster: "green", timeoutMs: 0 },
    ]);
  });

  describe("with settings of routes", () => {
    it("reads a filter that asks nothing but on the routes that change it, as Istio's", () => {
      const idle = processor({
        grpc_service: { envoy_grpc: { cluster_name: "dummy" } },
        processing_mode: { request_header_mode: "SKIP", response_header_mode: "SKIP" },
      });
      expect(
        read({ typed_config: idle }, { pool: perRoute({ overrides }), shop: undefined }),
      ).toEqual({ asked: [["epp", "FULL_DUPLEX_STREAMED"]], routes: ["pool"] });
      expect(read({ typed_config: idle }, { shop: undefined })).toEqual({ asked: [], routes: [] });
    });

    it("reads a disabled filter only where a route enables it, as Envoy Gateway's", () => {
      const entry = { disabled: true, typed_config: processor() };
      expect(read(entry, { pool: enabled, shop: undefined })).toEqual({
        asked: [[undefined, "BUFFERED"]],
        routes: ["pool"],
      });
      expect(read(entry, { shop: undefined }).asked).toEqual([]);
    });

    it("leaves out routes that disable it, by themselves or by their host", () => {
      const entry = { typed_config: processor() };
      const off = perRoute({ disabled: true });
      expect(read(entry, { pool: undefined, shop: off }).routes).toEqual(["pool"]);
      expect(read(entry, { pool: enabled, shop: undefined }, off).routes).toEqual(["pool"]);
      const wrapped = { ...enabled, config: perRoute({ overrides }) };
      expect(read(entry, { pool: wrapped }, off).asked).toEqual([["epp", "FULL_DUPLEX_STREAMED"]]);
      expect(read(entry, { shop: { ...enabled, disabled: true } }).routes).toEqual([]);
    });
  });

  it("reads limits of the runtime, which take precedence", () => {
    const cluster = { cluster: { name: "a.b", circuit_breakers: {} } };
    const limitIn = (...layers: readonly object[]) =>
      envoyConfigIn({
        configs: [
          {
            "@type": "x.BootstrapConfigDump",
            bootstrap: {
              layered_runtime: { layers: layers.map((each) => ({ static_layer: each })) },
            },
          },
          { "@type": "x.ClustersConfigDump", dynamic_active_clusters: [cluster] },
        ],
      })?.clusters.map(({ requestsMax }) => requestsMax);
    const key = "circuit_breakers.a.b.default.max_requests";
    expect(limitIn()).toEqual([1_024]);
    expect(limitIn({ [key]: 5_000 })).toEqual([5_000]);
    expect(limitIn({ [key]: 5_000 }, { [key]: 7_000 })).toEqual([7_000]);
    expect(limitIn({ circuit_breakers: { "a.b": { default: { max_requests: 9 } } } })).toEqual([9]);
    expect(limitIn({ "circuit_breakers.a.default.max_requests": 5_000 })).toEqual([1_024]);
  });

  it("takes no other page for a dump", () => {
    for (const page of [undefined, null, 1, [], {}, { configs: {} }]) {
      expect(envoyConfigIn(page)).toBeUndefined();
    }
  });

  it("takes any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(envoyConfigIn({ configs: [value] })).toBeDefined();
      }),
    );
  });
});

it.each([
  ["0s", 0],
  ["0.200s", 200],
  ["1.500000000s", 1_500],
  ["90s", 90_000],
  ["1m", undefined],
  ["-1s", undefined],
  [5, undefined],
  [undefined, undefined],
])("reads %j as %j ms", (text, ms) => {
  expect(durationMsOf(text)).toBe(ms);
});
