import { afterEach } from "vitest";
import { type Rig, type RigOptions, startRig } from "./rig.ts";
import { type ScriptedEngine, startScriptedEngine } from "./scripted-engine.ts";

type Script = Parameters<typeof startScriptedEngine>[0];

/** Scripted engines and a rig before them, which are gone after each test of the file that calls this. */
export function scriptedRigs() {
  let rig: Rig | undefined;
  let engines: readonly ScriptedEngine[] = [];
  afterEach(async () => {
    await rig?.close();
    await Promise.all(engines.map((engine) => engine.close()));
    rig = undefined;
    engines = [];
  });
  return {
    /** The engines of the test that runs. */
    engines: () => engines,
    /** Starts `count` engines, each with the script of its index, without a rig yet. */
    async startEngines(count: number, scriptOf: (index: number) => Script) {
      engines = await Promise.all(
        Array.from({ length: count }, (_, index) => startScriptedEngine(scriptOf(index))),
      );
      return engines;
    },
    /** Starts the rig, before all of the engines unless told. */
    async start(options: Partial<RigOptions> = {}): Promise<Rig> {
      rig = await startRig({ engines, ...options });
      return rig;
    },
  };
}
