import { Counter, Gauge, type Registry } from "prom-client";

/** A collection of the API server that is followed. */
export interface FollowedResource {
  /** `pods`, `inferencepools.inference.networking.k8s.io` */
  readonly resource: string;
  readonly isSynced: boolean;
  /** Milliseconds since the last contact with the API server; undefined before the first. */
  readonly contactAgeMs: number | undefined;
  readonly counts: {
    readonly lists: number;
    readonly events: number;
    readonly failures: number;
  };
}

/** The state of the followed cluster when it is read. */
export interface ClusterView {
  /** One resource may be followed twice, and is one series. */
  readonly follows: () => readonly FollowedResource[];
  /** Undefined without an election. */
  readonly election: { readonly lease: string; readonly isLeading: () => boolean } | undefined;
}

const counters = [
  ["lists", "Full lists of a resource; rare if its watch holds."],
  ["events", "Changes and bookmarks received from watches of a resource."],
  ["failures", "Lists and watches of a resource that failed or were refused."],
] as const;

/** Registers metrics of the contact with the API server, computed at each scrape. */
export function registerClusterMetrics(registry: Registry, cluster: ClusterView): void {
  const resources = () => perResource(cluster.follows());
  registerContact(registry, resources);
  for (const [count, help] of counters) {
    registry.registerMetric(
      new Counter({
        name: `pointsman_kubernetes_${count}_total`,
        help,
        labelNames: ["resource"],
        registers: [],
        collect() {
          this.reset();
          for (const { resource, counts } of resources()) this.inc({ resource }, counts[count]);
        },
      }),
    );
  }
  const { election } = cluster;
  if (election !== undefined) registerElection(registry, election);
}

function registerContact(registry: Registry, resources: () => Iterable<FollowedResource>): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_kubernetes_contact_age_seconds",
      help: "Time since the API server last sent data about a resource; up to about a minute if nothing changes.",
      labelNames: ["resource"],
      registers: [],
      collect() {
        this.reset();
        for (const { resource, contactAgeMs } of resources()) {
          if (contactAgeMs !== undefined) this.set({ resource }, contactAgeMs / 1_000);
        }
      },
    }),
  );
  registry.registerMetric(
    new Gauge({
      name: "pointsman_kubernetes_synced",
      help: "1 if a resource has been read; 0 if it does not exist, access is denied or it has not been read yet.",
      labelNames: ["resource"],
      registers: [],
      collect() {
        this.reset();
        for (const { resource, isSynced } of resources()) this.set({ resource }, Number(isSynced));
      },
    }),
  );
}

function registerElection(
  registry: Registry,
  { lease, isLeading }: NonNullable<ClusterView["election"]>,
): void {
  registry.registerMetric(
    new Gauge({
      name: "leader_election_master_status",
      help: "1 if this replica is the leader, otherwise 0.",
      labelNames: ["name"],
      registers: [],
      collect() {
        this.set({ name: lease }, isLeading() ? 1 : 0);
      },
    }),
  );
}

/** Status of each resource: of two followers of one resource, the worse state and the sum of the counts. */
function perResource(follows: readonly FollowedResource[]): Iterable<FollowedResource> {
  const found = new Map<string, FollowedResource>();
  for (const one of follows) {
    const other = found.get(one.resource);
    found.set(one.resource, other === undefined ? one : together(one, other));
  }
  return found.values();
}

function together(one: FollowedResource, other: FollowedResource): FollowedResource {
  return {
    resource: one.resource,
    isSynced: one.isSynced && other.isSynced,
    contactAgeMs:
      one.contactAgeMs === undefined || other.contactAgeMs === undefined
        ? (one.contactAgeMs ?? other.contactAgeMs)
        : Math.max(one.contactAgeMs, other.contactAgeMs),
    counts: {
      lists: one.counts.lists + other.counts.lists,
      events: one.counts.events + other.counts.events,
      failures: one.counts.failures + other.counts.failures,
    },
  };
}
