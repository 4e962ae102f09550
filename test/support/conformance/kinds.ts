import type { KubeObject } from "../kube/client.ts";

/** Objects as the API server keeps them, with the fields that the rig reads. */
interface Kept<Spec, Status> {
  readonly metadata: KubeObject["metadata"] & {
    readonly namespace: string;
    readonly uid: string;
    readonly generation: number;
  };
  readonly spec: Spec;
  readonly status?: Status;
}

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

export interface Probe {
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly httpGet?: { readonly path: string; readonly port: number };
  readonly periodSeconds?: number;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly readinessProbe?: Probe;
}

export type Pod = Kept<
  {
    readonly containers: readonly Container[];
    readonly nodeName?: string;
    readonly serviceAccountName?: string;
  },
  {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  }
>;

export type Service = Kept<
  { readonly ports: readonly { readonly name?: string; readonly port: number }[] },
  unknown
>;

export interface EndpointSlice extends Kept<undefined, undefined> {
  readonly ports: readonly { readonly name?: string; readonly port: number }[] | null;
  readonly endpoints:
    | readonly {
        readonly addresses: readonly string[];
        readonly conditions: { readonly ready?: boolean };
      }[]
    | null;
}

export type Gateway = Kept<
  {
    readonly gatewayClassName: string;
    readonly listeners: readonly { readonly port: number; readonly hostname?: string }[];
  },
  { readonly conditions?: readonly Condition[]; readonly addresses?: readonly unknown[] }
>;

export interface ParentRef {
  readonly name: string;
  readonly namespace?: string;
}

export interface BackendRef {
  readonly kind?: string;
  readonly name: string;
  readonly namespace?: string;
  readonly weight?: number;
}

export interface ParentStatus {
  readonly parentRef: ParentRef;
  readonly controllerName?: string;
  readonly conditions?: readonly Condition[];
}

interface Parents {
  readonly parents?: readonly ParentStatus[];
}

export type HttpRoute = Kept<
  {
    readonly parentRefs?: readonly ParentRef[];
    readonly hostnames?: readonly string[];
    readonly rules?: readonly {
      readonly matches?: readonly { readonly path?: { readonly value: string } }[];
      readonly backendRefs?: readonly BackendRef[];
    }[];
  },
  Parents
>;

export type InferencePool = Kept<
  {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly targetPorts: readonly { readonly number: number }[];
    readonly appProtocol?: string;
    readonly endpointPickerRef?: {
      readonly name: string;
      readonly port: { readonly number: number };
      readonly failureMode: string;
    };
  },
  Parents
>;
