/** An object of a dump. */
export type DumpObject = Readonly<Record<string, unknown>>;

/** A filter that asks a picker, as Envoy runs it: the listener's, with what a route changes of it. */
interface DumpedPicker {
  readonly path: string;
  readonly filter: DumpObject;
}

/** A route on which a picker is asked. */
interface DumpedRoute {
  readonly path: string;
  /** Its action, which names clusters. */
  readonly action: DumpObject;
  /** The connection manager that it belongs to. */
  readonly manager: DumpObject;
}

export interface PickersOfDump {
  readonly pickers: readonly DumpedPicker[];
  readonly routes: readonly DumpedRoute[];
}

interface Placed {
  readonly path: string;
  readonly value: DumpObject;
}

/** True for Envoy's `/config_dump`. */
export function isConfigDump(page: unknown): boolean {
  const configs = recordOf(page)?.["configs"];
  return Array.isArray(configs) && configs.some((each) => isOfType(each, "ConfigDump"));
}

/** The objects of a dump, but for the file that Envoy started with: the other parts show what came of it. */
export function dumpedObjects(page: unknown): readonly Placed[] {
  const configs = recordOf(page)?.["configs"];
  const shown = (Array.isArray(configs) ? configs : []).map((config: unknown, index) => ({
    config,
    path: `configs[${index}]`,
  }));
  return shown
    .filter(({ config }) => !isOfType(config, "BootstrapConfigDump"))
    .flatMap(({ config, path }) => Array.from(objectsIn(config, path)));
}

/** Numbers of the runtime that Envoy started with, by key; those of later layers win. */
export function runtimeNumbers(page: unknown): ReadonlyMap<string, number> {
  const configs = recordOf(page)?.["configs"];
  const started = (Array.isArray(configs) ? configs : []).find((each: unknown) =>
    isOfType(each, "BootstrapConfigDump"),
  );
  const bootstrap = recordOf(recordOf(started)?.["bootstrap"]);
  const layers = recordOf(bootstrap?.["layered_runtime"])?.["layers"];
  const numbers = new Map<string, number>();
  // A key may be one name with dots, or a path of objects.
  const objects = (Array.isArray(layers) ? layers : []).flatMap((layer) =>
    Array.from(objectsIn(recordOf(layer)?.["static_layer"], "")),
  );
  for (const { path, value } of objects) {
    for (const [name, number] of Object.entries(value)) {
      if (typeof number === "number") numbers.set(`${path}.${name}`.slice(1), number);
    }
  }
  return numbers;
}

/**
 * The pickers that an Envoy asks. Istio has one filter for all routes, which asks nothing, and each route of a pool changes it;
 * Envoy Gateway has filters that are disabled, and routes that enable them.
 */
export function pickersOf(objects: readonly Placed[]): PickersOfDump {
  const entries = objects.flatMap((manager) =>
    entriesOf(manager).map((entry) => ({ entry, manager })),
  );
  const asked = entries.map(({ entry, manager }) => askedBy(entry, manager, objects));
  const ofManagers = new Set(entries.map(({ entry }) => entry.filter.value));
  // A filter that is discovered is in a part of its own.
  const others = objects.filter(
    ({ value }) => isOfType(value, processorType) && !ofManagers.has(value),
  );
  return {
    pickers: [
      ...asked.flatMap(({ pickers }) => pickers),
      ...others.map(({ path, value }) => ({ path, filter: value })),
    ],
    routes: asked.flatMap(({ routes }) => routes),
  };
}

/** The filter on each route of its connection manager that it asks for. */
function askedBy(
  entry: FilterEntry,
  { path: at, value: manager }: Placed,
  objects: readonly Placed[],
): PickersOfDump {
  const { path, value } = entry.filter;
  const all = routesOf(manager, at, objects);
  // The dump does not have the routes, so that it is not known what they change.
  if (all.length === 0) return { pickers: [{ path, filter: value }], routes: [] };
  const asked = all.flatMap((route) => {
    const filter = filterOn(entry, route);
    return filter === undefined ? [] : [{ route, filter }];
  });
  return {
    pickers: asked.map(({ filter }) => ({ path, filter })),
    routes: asked.map(({ route }) => ({ path: route.path, action: route.action, manager })),
  };
}

const processorType = ".ext_proc.v3.ExternalProcessor";

/** A filter of a connection manager. */
interface FilterEntry {
  readonly name: string;
  readonly isDisabled: boolean;
  readonly filter: Placed;
}

function entriesOf({ path, value: { http_filters: filters } }: Placed): readonly FilterEntry[] {
  if (!Array.isArray(filters)) return [];
  return filters.flatMap(
    (each: unknown, index) => entryIn(each, `${path}.http_filters[${index}]`) ?? [],
  );
}

function entryIn(entry: unknown, path: string): FilterEntry | undefined {
  const record = recordOf(entry);
  if (record === undefined) return undefined;
  for (const filter of objectsIn(record, path)) {
    if (!isOfType(filter.value, processorType)) continue;
    return { name: String(record["name"]), isDisabled: record["disabled"] === true, filter };
  }
  return undefined;
}

interface RouteOfManager {
  readonly path: string;
  readonly action: DumpObject;
  /** Settings of filters by name, those of the route before those of its host and of all routes. */
  readonly settings: readonly (DumpObject | undefined)[];
}

/** Routes of a connection manager that forward: its own, and those of the configuration that it names. */
function routesOf(
  { route_config: own, rds }: DumpObject,
  path: string,
  objects: readonly Placed[],
): readonly RouteOfManager[] {
  const name = recordOf(rds)?.["route_config_name"];
  const named = objects.filter(
    ({ value }) => name !== undefined && value["name"] === name && "virtual_hosts" in value,
  );
  const config = recordOf(own);
  const configs = config === undefined ? named : [{ path: `${path}.route_config`, value: config }];
  return configs.flatMap(({ path: at, value }) => {
    const hosts = Array.isArray(value["virtual_hosts"]) ? value["virtual_hosts"] : [];
    return hosts.flatMap((host: unknown, index) =>
      [...objectsIn(host, `${at}.virtual_hosts[${index}]`)].flatMap((route) => {
        const action = recordOf(route.value["route"]);
        if (action === undefined || route.value["match"] === undefined) return [];
        const settings = [route.value, recordOf(host), value].map((each) =>
          recordOf(each?.["typed_per_filter_config"]),
        );
        return [{ path: route.path, action, settings }];
      }),
    );
  });
}

/** The filter as it runs on a route; undefined if it does not, or asks nothing. */
function filterOn(
  { name, isDisabled, filter: { value: filter } }: FilterEntry,
  { settings }: RouteOfManager,
): DumpObject | undefined {
  const own = settings.map((each) => recordOf(each?.[name])).find((each) => each !== undefined);
  const isWrapped = isOfType(own, ".FilterConfig");
  const changes = isWrapped ? recordOf(own?.["config"]) : own;
  if (own === undefined ? isDisabled : own["disabled"] === true) return undefined;
  if (changes?.["disabled"] === true) return undefined;
  const merged = { ...filter, ...recordOf(changes?.["overrides"]) };
  return asksSomething(merged) ? merged : undefined;
}

function asksSomething({ processing_mode: mode }: DumpObject): boolean {
  const modes = recordOf(mode) ?? {};
  const headers = ["request_header_mode", "response_header_mode"];
  const bodies = ["request_body_mode", "response_body_mode"];
  return (
    headers.some((name) => modes[name] !== "SKIP") ||
    bodies.some((name) => (modes[name] ?? "NONE") !== "NONE")
  );
}

/** Every object of a tree, however deep. A dump is bounded by the bytes that are read of it. */
function* objectsIn(root: unknown, path: string): Generator<Placed> {
  const open: { readonly path: string; readonly value: unknown }[] = [{ path, value: root }];
  while (open.length > 0) {
    const { path: at = "", value } = open.pop() ?? {};
    if (Array.isArray(value)) {
      open.push(
        ...value
          .map((each: unknown, index) => ({ path: `${at}[${index}]`, value: each }))
          .toReversed(),
      );
    }
    const record = recordOf(value);
    if (record === undefined) continue;
    yield { path: at, value: record };
    open.push(
      ...Object.entries(record)
        .map(([key, member]) => ({ path: `${at}.${key}`, value: member }))
        .toReversed(),
    );
  }
}

function isOfType(value: unknown, ending: string): boolean {
  const type = recordOf(value)?.["@type"];
  return typeof type === "string" && type.endsWith(ending);
}

export function recordOf(value: unknown): DumpObject | undefined {
  // An object that is no list has its members under string keys.
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as DumpObject)
    : undefined;
}
