import { StreamMachine } from "./stream-machine.ts";
import type { MachineDeps } from "./stream-steps.ts";
import type { OpenStream } from "./transport.ts";

/** Gives every stream of a transport a machine of its own. */
export function streamsOf(deps: Omit<MachineDeps, "answer">): OpenStream {
  return (stream) => {
    const machine = new StreamMachine({ ...deps, answer: (answer) => stream.answer(answer) });
    return {
      message: (message) => {
        if (machine.isOver) return;
        machine.receive(message);
        if (machine.isOver) stream.finish();
      },
      closed: (by) => machine.close(by),
    };
  };
}
