import type { KubeClient, KubeObject } from "../kube/client.ts";
import type { ControlPlane } from "../kube/control-plane.ts";
import type { NetworkNamespace } from "../kube/network-namespace.ts";
import type { Hosts } from "./pod-files.ts";

/** What runs, and has to be ended. */
export interface Part {
  close(): Promise<void>;
}

/** Keeps a part, so that it is ended whatever happens later. */
export type Started = <T extends Part>(part: T) => T;

/** Where a gateway runs. */
export interface Place {
  readonly plane: ControlPlane;
  readonly network: NetworkNamespace;
}

/** How a gateway comes to run with the overlay that is written for it. */
export interface GatewayKind {
  /** A folder of manifests/overlays. */
  readonly overlay: string;
  /** Where its proxies listen for port 80 of a Gateway. */
  readonly listenerPort: number;
  /** Where they have Envoy's admin page, for what runs in their network alone. */
  readonly adminPort: number;
  /** Manifests that define kinds beyond those of the Gateway API. */
  crdFiles(): Promise<readonly string[]>;
  /** Objects that the one who installs it makes. */
  readonly objects: readonly KubeObject[];
  startControllers(place: Place, started: Started): Promise<void>;
  /** Starts the proxy that the controllers have described for a Gateway. */
  startProxy(options: ProxyOptions): Promise<Proxy>;
}

export interface ProxyOptions {
  readonly client: KubeClient;
  readonly network: NetworkNamespace;
  readonly gateway: { readonly name: string; readonly namespace: string };
  /** Names of the cluster that the proxy asks DNS for. */
  readonly hosts: Hosts;
}

/** The proxy of a Gateway, which runs. */
export interface Proxy extends Part {
  /** The requests of its access log. */
  served(): readonly ServedRequest[];
}

export interface ServedRequest {
  readonly requestId: string;
  readonly userAgent: string;
  /** `address:port` of the engine. */
  readonly upstream: string;
}
