import { changeSettings, defaultEngineSettings, type EngineSettings } from "./engine-settings.ts";
import { adminListenerOf } from "./http/admin-server.ts";
import { type EngineDeps, EngineServer } from "./http/engine-server.ts";

export const defaultEngines = 4;
export const defaultHost = "127.0.0.1";
export const defaultPort = 8_200;
export const defaultModel = "sim-model";

/** Every engine is a server with its cache; more than this is a typing error. */
export const enginesMax = 1_024;

/** Options of the simulation. Omitted ones have their defaults. */
export interface SimulatorOptions {
  /** Number of engines, 1 to 1,024. Default 4. */
  readonly engines?: number | undefined;
  /** IP address all ports are opened on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Port of the first engine, the others follow it; 0 for any free ports. Default 8200. */
  readonly port?: number | undefined;
  /** Port of the admin endpoint; 0 for any. Default: the one after the engines, or any if those have any. */
  readonly adminPort?: number | undefined;
  /** The base model's name. Default `sim-model`. */
  readonly model?: string | undefined;
  /** LoRA adapters that requests may name. Default none. */
  readonly adapters?: readonly string[] | undefined;
  /** Speed, capacity and faults that all engines start with. Default `defaultEngineSettings`. */
  readonly settings?: Partial<EngineSettings> | undefined;
}

export interface SimulatedEngine {
  /** `engine-0`, `engine-1` and so on: the value of `x-served-by`. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** A running simulator. */
export interface Simulator {
  readonly engines: readonly SimulatedEngine[];
  readonly adminPort: number;
  /** Cuts all connections; resolves when every port is closed and no timer is left. */
  close(): Promise<void>;
}

/**
 * Starts simulated engines and their admin endpoint.
 *
 * Rejects with one readable line if an option is wrong or a port cannot be opened; everything
 * opened by then is closed again.
 */
export async function startSimulator(
  options: SimulatorOptions,
  deps: EngineDeps,
): Promise<Simulator> {
  const { engines: count = defaultEngines, host = defaultHost, port = defaultPort } = options;
  const { model = defaultModel, adapters = [] } = options;
  const adminPort = options.adminPort ?? (port === 0 ? 0 : port + count);
  checkInteger("engines", count, { min: 1, max: enginesMax });
  checkInteger("port", port, { min: 0, max: 65_536 - count });
  checkInteger("adminPort", adminPort, { min: 0, max: 65_535 });
  if (new Set([model, ...adapters]).size <= adapters.length) {
    throw new Error("adapters: must be distinct names, none of them the model's");
  }
  const changed = changeSettings(defaultEngineSettings, { ...options.settings });
  if (changed.kind === "invalid") throw new Error(changed.message);
  const engines = Array.from({ length: count }, (_, index) => {
    const identity = { name: `engine-${index}`, host, model, adapters };
    return new EngineServer(identity, changed.settings, deps);
  });
  const admin = adminListenerOf(host, engines);
  const close = async () => {
    await Promise.all([admin.close(), ...engines.map((engine) => engine.close())]);
  };
  try {
    const opened = await Promise.allSettled([
      admin.open(adminPort),
      ...engines.map((engine, index) => engine.open(port === 0 ? 0 : port + index)),
    ]);
    const failed = opened.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const [adminOpened] = opened;
    return {
      engines: engines.map(({ name, address, port: enginePort }) => ({
        name,
        address,
        port: enginePort,
      })),
      adminPort: adminOpened.status === "fulfilled" ? adminOpened.value : adminPort,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function checkInteger(
  name: string,
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new Error(`${name}: must be an integer from ${min} to ${max}, got ${value}`);
}
