import { readdirSync } from "node:fs";
import { findChromium } from "./components/chromium.ts";
import { findConformanceSuite } from "./components/conformance-suite.ts";
import { findControlPlane } from "./components/control-plane.ts";
import { findControllerManager } from "./components/controller-manager.ts";
import { crdFiles } from "./components/crds.ts";
import { envoyPath } from "./components/envoy.ts";
import { findEnvoyAiGateway } from "./components/envoy-ai-gateway.ts";
import { findEnvoyGateway } from "./components/envoy-gateway.ts";
import { gatewayCrdFiles } from "./components/gateway-crds.ts";
import { findHelm } from "./components/helm.ts";
import { findIstio } from "./components/istio.ts";
import { findKustomize } from "./components/kustomize.ts";
import { findOldestNode } from "./components/oldest-node.ts";
import { findPromtool } from "./components/promtool.ts";

/** The tests of one command. */
export interface Tier {
  /** Projects of vitest.config.ts. */
  readonly projects: readonly string[];
  /** Finds each component that its tests need, or builds it; what takes minutes comes last. */
  readonly finders: readonly ((progress: (line: string) => void) => Promise<unknown>)[];
  readonly hasStaticChecks: boolean;
  /** The tests left out, and the command that runs them; undefined if there are none. */
  readonly left: string | undefined;
}

const clusterFiles = readdirSync("test/cluster").filter((file) => file.endsWith(".test.ts"));

/** Needs Node.js and Python, and takes minutes on an empty cache. */
const quick: Tier = {
  projects: ["unit", "integration", "e2e"],
  finders: [envoyPath, findOldestNode],
  hasStaticChecks: true,
  left:
    `not run here: ${clusterFiles.length} files in test/cluster, which need a Kubernetes API server, ` +
    "gateways, the conformance suite, promtool and Chromium. Run them with `npm run test:cluster`; it needs root, apt, " +
    "systemd-analyze and Go 1.26, and builds for about 45 minutes the first time",
};

/** Needs Go, apt and root, and builds for most of an hour on an empty cache. */
const cluster: Tier = {
  projects: ["cluster"],
  finders: [
    ...[envoyPath, findChromium, findPromtool, crdFiles, gatewayCrdFiles],
    ...[findKustomize, findHelm, findControlPlane, findControllerManager],
    ...[findConformanceSuite, findEnvoyGateway, findEnvoyAiGateway, findIstio],
  ],
  hasStaticChecks: false,
  left: undefined,
};

export const tiers = { quick, cluster } as const;
